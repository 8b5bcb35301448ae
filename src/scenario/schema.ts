/**
 * The scenario file, as zod sees it. Keys are the words of spec.ts; here are types, ranges and meanings of single values.
 * What depends on several values (levels of a format, ways of a cache, placement) is checked in resolve.ts.
 */
import { z } from 'zod';
import { bareQuantity, type Dimension, parseQuantity, quantityHint, show } from './units.ts';
import { FORMAT_NAMES } from './formats.ts';
import { PRESET_NAMES } from './presets/index.ts';

interface Range {
  readonly min: number;
  readonly max: number;
}

/** A quantity: a number in the key's unit, or text with a unit. Comes out in the base unit of its dimension. */
function quantity(dimension: Dimension, { min, max }: Range, description: string) {
  return z
    .union([z.number(), z.string()], { error: (issue) => `${shown(issue.input)} is not ${quantityHint(dimension)}` })
    .transform((input, context) => {
      const parsed = typeof input === 'number' ? bareQuantity(input, dimension) : parseQuantity(input, dimension);
      if ('error' in parsed) context.addIssue({ code: 'custom', message: parsed.error });
      else if (parsed.value < min || parsed.value > max) {
        const unit = { bytes: 'bytes', ns: 'ns', gbps: 'Gbit/s' }[dimension];
        context.addIssue({
          code: 'custom',
          message: `${show(input)} is out of range; expected ${min} to ${max} ${unit}`,
        });
      } else return parsed.value;
      return z.NEVER;
    })
    .describe(description);
}

const shown = (input: unknown): string =>
  typeof input === 'object' && input !== null ? 'a list or section' : show(input);

const bytes = (min: number, max: number, description: string) => quantity('bytes', { min, max }, description);
/** Times up to 9000 s stay exact as integer picoseconds in a double. */
const MAX_NS = 9e12;
const ns = (description: string, max = MAX_NS) => quantity('ns', { min: 0, max }, description);
const integer = (min: number, max: number, description: string) =>
  z
    .int({ error: (issue) => `${shown(issue.input)} is not a whole number; expected ${min} to ${max}` })
    .min(min, { error: (issue) => `${show(issue.input)} is out of range; expected ${min} to ${max}` })
    .max(max, { error: (issue) => `${show(issue.input)} is out of range; expected ${min} to ${max}` })
    .describe(description);
const real = (min: number, max: number, description: string) =>
  z
    .number({ error: (issue) => `${shown(issue.input)} is not a number; expected ${min} to ${max}` })
    .min(min, { error: (issue) => `${show(issue.input)} is out of range; expected ${min} to ${max}` })
    .max(max, { error: (issue) => `${show(issue.input)} is out of range; expected ${min} to ${max}` })
    .describe(description);
const flag = (description: string) =>
  z.boolean({ error: (issue) => `${shown(issue.input)} is not true or false` }).describe(description);
const text = (description: string) =>
  z
    .string({ error: (issue) => `${shown(issue.input)} is not text` })
    .max(10_000, { error: () => 'longer than 10000 characters' })
    .describe(description);

const TIB = 1024 ** 4;
export const MAX_ENTRIES = 1 << 20;
export const MAX_DEVICES = 4096;
export const MAX_UNITS = 64;

/** Names become file names, CSV cells and parts of paths: letters, digits, - and _, nothing else. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/;
export const NAME_HINT = 'a name of up to 40 letters, digits, - and _';
/** Names of points' cases are text for people: every output shows them as text, whatever is in them. */
export const CASE_PATTERN = /^(?!__proto__$)[^]{1,10000}$/;
export const CASE_HINT = 'a name of 1 to 10000 characters';
// Names are checked by the loader: zod would skip the whole section under a wrong name and hide the mistakes in it.
const anyName = z.string();

// ---- machine ---------------------------------------------------------------------------------------------------------
const cacheShape = {
  entries: integer(0, MAX_ENTRIES, 'Number of entries; 0 = the cache is not there').optional(),
  ways: z
    .union([z.literal('full'), integer(1, MAX_ENTRIES, 'Ways of a set')], {
      error: (issue) => `${shown(issue.input)} is not a number of ways; expected 1 to ${MAX_ENTRIES}, or full`,
    })
    .describe('Associativity: a divisor of entries, or full')
    .optional(),
  replacement: z.enum(['lru', 'plru', 'fifo', 'random', 'srrip', 'lfu']).describe('Replacement policy').optional(),
  index: z.enum(['modulo', 'shifted', 'hash']).describe('How the set is chosen from the page number').optional(),
};
const cache = z.strictObject(cacheShape);
// A cache whose entries belong to domains.
const partitionable = {
  ...cacheShape,
  partition: z
    .strictObject({
      by: z.enum(['ways', 'sets']).describe('What is divided: the ways of each set, or the sets').optional(),
      minimum: z
        .record(z.string(), integer(0, MAX_ENTRIES, 'Ways or sets that only this tenant fills (each of its copies)'))
        .describe('By tenant: so many for it alone; what nobody has for itself is shared by all')
        .optional(),
    })
    .describe('Divided among tenants, with a minimum share for each')
    .optional(),
};
const sharedCache = z.strictObject(partitionable);
const walkCache = (levels: number) =>
  z.strictObject(
    Object.fromEntries(Array.from({ length: levels }, (_, i) => [`level${i + 1}`, sharedCache.optional()])),
  );

const powerOfTwo = (min: number, max: number, description: string) =>
  bytes(min, max, description).refine((value) => (value & (value - 1)) === 0, {
    error: (issue) => `${show(issue.input)} is not a power of two`,
  });

const gbps = (description: string) => quantity('gbps', { min: 0.001, max: 10_000 }, description);

const link = z.strictObject({
  gbps: gbps('Rate of the link after physical coding and link-layer overhead').optional(),
  maxPayloadBytes: powerOfTwo(128, 4096, 'Largest payload of a write or completion').optional(),
  maxReadRequestBytes: powerOfTwo(128, 4096, 'Largest read request').optional(),
  writeHeaderBytes: integer(0, 128, 'Overhead of a write on the wire, bytes').optional(),
  readRequestBytes: integer(0, 128, 'Size of a read request on the wire, bytes').optional(),
  completionHeaderBytes: integer(0, 128, 'Overhead of a completion on the wire, bytes').optional(),
  outstanding: integer(1, 4096, 'Reads in flight at most (tags)').optional(),
});

const latency = z.strictObject({
  iotlbHitNs: ns('IOTLB lookup, part of every translated request', 1e6).optional(),
  iotlbL1HitNs: ns('Lookup in the first-level IOTLB', 1e6).optional(),
  lineHitNs: ns('Table read that hits the line cache', 1e6).optional(),
  memoryReadNs: ns('Table read that goes to memory', 1e6).optional(),
  walkOverheadNs: ns('Fixed part of every walk', 1e6).optional(),
  dmaReadNs: ns('A read through root complex and memory, without translation and link', 1e6).optional(),
  dmaWriteNs: ns('A write through root complex and memory, without translation and link', 1e6).optional(),
  commandNs: ns('One command taken from the command queue', 1e9).optional(),
  completionWaitNs: ns('A completion wait, on top of commandNs', 1e9).optional(),
});

const machine = z.strictObject({
  preset: z.enum(PRESET_NAMES).describe('Machine whose values apply where this section says nothing').optional(),
  units: integer(1, MAX_UNITS, 'Number of IOMMU units').optional(),
  iotlb: z
    .strictObject({
      ...partitionable,
      leafLog2: z
        .array(integer(12, 48, 'log2 of a leaf size'))
        .min(1, { error: () => 'expected at least one leaf size' })
        .max(3, { error: () => 'expected at most 3 leaf sizes' })
        .describe('log2 of the leaf sizes that can be held, ascending')
        .optional(),
      split: z
        .strictObject({ level1: sharedCache.optional(), level2: sharedCache.optional() })
        .describe(
          'Parts of their own for larger leaves: levelN holds those of table level N (1: 2 MiB, 2: 1 GiB) and up; without entries they stay in the part below',
        )
        .optional(),
      fracture: flag('Cut a guest leaf to the smaller host leaf').optional(),
      negative: flag(
        'Not-present results are kept too (VT-d caching mode, AMD NpCache): kernels then flush what they map, and do so for each unmap',
      ).optional(),
      l1: cache.describe('First-level IOTLB, one for each device').optional(),
    })
    .describe('The shared IOTLB')
    .optional(),
  walkCaches: z
    .strictObject({ host: walkCache(5).optional(), guest: walkCache(5).optional() })
    .describe('Page-walk caches: levelN holds entries found at level N (pointers to tables of level N - 1)')
    .optional(),
  nestedTlb: sharedCache.describe('GPA to SPA leaves used inside nested walks').optional(),
  deviceCache: cache.describe('Device-table entries').optional(),
  pasidCache: cache.describe('PASID (GCR3) entries').optional(),
  lineCache: cache.describe('64-byte lines of table memory in front of DRAM').optional(),
  walkers: integer(1, 1024, 'Walks in flight at most').optional(),
  prefetchPages: integer(
    0,
    7,
    'Next-page prefetch: pages after its own that a walk also brings into the IOTLB, out of the lines that it has read; 0 = none',
  ).optional(),
  walkStartNs: ns('Least time between the starts of two walks', 1e6).optional(),
  latency: latency.optional(),
  order: z
    .strictObject({
      readWindow: integer(0, 1024, 'Oldest reads of a device that may be translated; 0 = out of order').optional(),
      writeWindow: integer(0, 1024, 'The same for posted writes').optional(),
    })
    .optional(),
  link: link.describe('PCIe link of each device').optional(),
  commandQueueEntries: integer(2, 65_536, 'Slots of the command queue').optional(),
  eventLogEntries: integer(1, 65_536, 'Slots of the event log').optional(),
  memoryBytes: bytes(1 << 20, 4 * TIB, 'Host memory for buffers').optional(),
});

// ---- os --------------------------------------------------------------------------------------------------------------
const COSTS: Readonly<Record<string, string>> = {
  iovaAllocNs: 'IOVA from a magazine',
  iovaAllocSlowNs: 'IOVA taken from the tree or given back to it, under its lock',
  iovaFreeNs: 'IOVA given back',
  mapNs: 'Fixed part of a map',
  mapPageNs: 'Each page of a map',
  unmapNs: 'Fixed part of an unmap',
  unmapPageNs: 'Each page of an unmap',
  invalidateSubmitNs: 'Writing a command to the queue, under its lock',
  completionPollNs: 'Interval between looks at the completion semaphore',
  lockHandoffNs: 'A contended lock passing from one CPU to the next',
  bounceNs: 'Finding and freeing the slots of one bounced mapping',
  copyKibNs: 'Copying 1 KiB to or from a bounce buffer',
  packetNs: 'Network or storage stack work a packet',
  exitNs: 'Mode nested: one exit to the hypervisor, which hands a command on',
};
const os = z.strictObject({
  kernelEra: z
    .enum(['amd-5.13', 'amd-6.1', 'amd-6.12', 'amd-7.2', 'intel-6.1', 'intel-6.12'])
    .describe('Kernel whose invalidation rules apply')
    .optional(),
  iova: z
    .strictObject({
      forcedac: flag('Skip the attempt below 4 GiB').optional(),
      maskBits: integer(32, 57, 'Address bits of the device').optional(),
    })
    .optional(),
  flushQueue: z
    .strictObject({
      single: flag(
        'One queue for the domain instead of one for each CPU: 32,768 entries and 1 s by default',
      ).optional(),
      entries: integer(1, 65_536, 'Entries of a lazy flush queue').optional(),
      timeoutNs: ns('Longest time an entry waits').optional(),
    })
    .optional(),
  cpus: integer(0, 1024, 'CPUs that serve the devices behind each unit; 0 = one for each queue').optional(),
  contiguousPages: z
    .int()
    .min(1)
    .max(512)
    .refine((value) => (value & (value - 1)) === 0, {
      error: (issue) => `${shown(issue.input)} is not a power of two from 1 to 512`,
    })
    .describe('Pages of one IOVA range of policy contiguous')
    .optional(),
  bounceSlots: integer(128, 1 << 22, 'Slots of 2 KiB for bounce buffers (swiotlb) behind each unit').optional(),
  viommu: z
    .strictObject({
      batched: flag('Mode nested: all commands of one flush in one exit, instead of one exit a command').optional(),
      emulatedExitNs: ns('Mode shadow: one exit that user space emulates, CPU ns', 1e9).optional(),
      shadowPageNs: ns('Mode shadow: what the hypervisor does for a page of a map or unmap, CPU ns', 1e9).optional(),
      domainIds: integer(2, 65_536, 'Host domain IDs, 0 included').optional(),
      readerTlbEntries: integer(
        0,
        65_536,
        "Mode nested-hw: translations kept by the unit's reader of guests' commands; 0 = none",
      ).optional(),
    })
    .describe('IOMMUs of guests: what they cost the hypervisor, and limits')
    .optional(),
  costs: z
    .strictObject(
      Object.fromEntries(
        Object.entries(COSTS).map(([key, what]) => [key, ns(`${what}, CPU ns`, 1e9).optional()]),
      ) as Record<string, z.ZodOptional<ReturnType<typeof ns>>>,
    )
    .describe('CPU time of software steps')
    .optional(),
});

// ---- tenants -----------------------------------------------------------------------------------------------------------
const window = {
  windowBytes: bytes(4096, 16 * TIB, 'DMA memory that the addresses fall into; whole 4 KiB pages'),
  transferBytes: bytes(1, 1 << 24, 'Bytes of one transfer'),
  readFraction: real(0, 1, 'Share of reads').optional(),
  outstanding: integer(1, 65_536, 'Transfers in flight at most').optional(),
  ratePerSecond: real(0, 1e12, 'Transfers offered a second; 0 = as fast as they complete').optional(),
  arrivals: z.enum(['fixed', 'poisson']).describe('Spacing of transfers when a rate is given').optional(),
};
const traffic = z.discriminatedUnion('model', [
  z.strictObject({ model: z.literal('uniform'), ...window }).describe('Uniformly random addresses in a window'),
  z
    .strictObject({
      model: z.literal('sequential'),
      ...window,
      strideBytes: bytes(1, 1 << 30, 'Distance from one transfer to the next').optional(),
    })
    .describe('One transfer after the other, round and round'),
  z
    .strictObject({ model: z.literal('zipf'), ...window, exponent: real(0, 10, 'Skew: 0 = uniform') })
    .describe('Pages of a window by a Zipf distribution'),
  z
    .strictObject({
      model: z.literal('nic'),
      queues: integer(1, 256, 'Queue pairs, each with a core; the load is spread evenly').optional(),
      direction: z.enum(['rx', 'tx', 'both']).describe('Direction of the packets').optional(),
      offeredGbps: quantity(
        'gbps',
        { min: 0, max: 10_000 },
        'Offered load in each direction; 0 = as fast as possible',
      ).optional(),
      mtuBytes: bytes(64, 65_536, 'Bytes of a packet').optional(),
      ringEntries: integer(2, 32_768, 'Descriptors of a ring').optional(),
      bufferBytes: bytes(64, 1 << 20, 'Bytes of a receive buffer').optional(),
      descriptorBytes: integer(8, 1024, 'Bytes of a descriptor').optional(),
      completionBytes: integer(8, 1024, 'Bytes of a completion').optional(),
      descriptorBatch: integer(1, 1024, 'Descriptors fetched by one read').optional(),
      pollBatch: integer(1, 4096, 'Packets handled at one interrupt').optional(),
      flows: integer(1, 1_000_000, 'Flows').optional(),
      burstPackets: integer(1, 4096, 'Packets of a flow that arrive together').optional(),
      buffersPerDescriptor: integer(
        1,
        512,
        'Receive buffers mapped and given back together, by one descriptor (striding receive queue)',
      ).optional(),
      completionCpu: z
        .enum(['same', 'next'])
        .describe('CPU that handles transmit completions: the one that sent, or the one after it')
        .optional(),
      recycle: z
        .strictObject({
          pages: integer(0, 65_536, 'Receive pages kept mapped at most; 0 = none').optional(),
          order: z
            .enum(['fifo', 'any'])
            .describe('fifo: only the oldest page is looked at (mlx5 page cache); any: as sockets let go (page pool)')
            .optional(),
          holdNs: ns('Mean time that a socket holds a received page', 1e12).optional(),
        })
        .describe("The driver's recycling of mapped receive pages")
        .optional(),
    })
    .describe('A NIC: queue pairs with rings, buffers and completions'),
  z
    .strictObject({
      model: z.literal('replay'),
      path: text('Access trace (CSV, .gz allowed); relative to the scenario file'),
      device: text('Rows of this device of the trace; left out = all rows').optional(),
      outstanding: integer(
        0,
        65_536,
        'Requests in flight, ignoring the times of the trace; 0 = at its times',
      ).optional(),
    })
    .describe('Requests of a trace'),
]);

const ats = z
  .strictObject({
    ...cacheShape,
    leafLog2: z
      .array(integer(12, 48, 'log2 of a leaf size'))
      .min(1, { error: () => 'expected at least one leaf size' })
      .max(3, { error: () => 'expected at most 3 leaf sizes' })
      .describe('log2 of the leaf sizes that can be held, ascending from 12 on')
      .optional(),
    allowed: flag('The device-table entry allows ATS').optional(),
    requestPages: integer(1, 8, 'Pages that one translation request asks for').optional(),
    outstanding: integer(1, 512, 'Pages asked for at most, until they can be used').optional(),
    invalidateQueue: integer(1, 32, 'Invalidations that the device takes before it has answered').optional(),
    lookupNs: ns('Lookup in the ATC', 1e6).optional(),
    messageNs: ns('One way of a request or message between port and unit, apart from the wire', 1e6).optional(),
    invalidateNs: ns("The device's own time for one invalidation", 1e12).optional(),
    invalidateTimeoutNs: ns('The unit gives an invalidation up after this', 1e12).optional(),
  })
  .describe('ATS: the device keeps translations in a cache of its own (ATC)');

const pri = z
  .strictObject({
    outstanding: integer(1, 512, 'Page requests outstanding at most').optional(),
    groupPages: integer(1, 512, 'Page requests of one group at most').optional(),
    gatherNs: ns('Time for which a group is gathered after its first fault', 1e9).optional(),
    interruptNs: ns("From a page request's arrival to the start of its handler", 1e9).optional(),
    faultNs: ns('CPU time of one page fault, apart from the map', 1e9).optional(),
    reclaimPerSecond: real(0, 1e9, 'Pages that the OS takes back a second, oldest first; 0 = none').optional(),
    logEntries: integer(1, 65_536, "Slots of the unit's page request log").optional(),
  })
  .describe('PRI: pages are mapped when the device asks for them, not before the run');

const device = z.strictObject({
  count: integer(1, MAX_DEVICES, 'So many devices alike').optional(),
  unit: integer(0, MAX_UNITS - 1, 'IOMMU unit; left out = spread over all units in turn').optional(),
  bdf: z
    .string({ error: () => 'expected bus:device.function in hex and quotes, such as "41:00.0"' })
    .regex(/^[0-9a-fA-F]{1,2}:[01]?[0-9a-fA-F]\.[0-7]$/, {
      error: (issue) => `${show(issue.input)} is not bus:device.function in hex, such as "41:00.0"`,
    })
    .describe('Requester ID of the first device; left out = numbered by unit')
    .optional(),
  domain: text('Devices of the tenant with the same name here share an address space, behind any units').optional(),
  pasid: integer(0, (1 << 20) - 1, 'PASID of the requests; left out = none').optional(),
  untrusted: flag('External-facing: always strict, and what is not whole pages goes through bounce buffers').optional(),
  link: link.describe('Link of this device where it differs from the machine').optional(),
  ats: ats.optional(),
  pri: pri.optional(),
  traffic,
});

const stage = (what: string) =>
  z
    .strictObject({
      format: z.enum(FORMAT_NAMES).describe('Table format').optional(),
      levels: integer(2, 6, 'Table levels').optional(),
      leafBytes: bytes(4096, 2 ** 39, 'Largest leaf that the mapper may use').optional(),
    })
    .describe(what);

const POLICY_NAMES = ['strict', 'lazy', 'static', 'contiguous', 'passthrough'] as const;
const tenant = z.strictObject({
  count: integer(1, MAX_DEVICES, 'So many tenants alike, each with tables and devices of its own').optional(),
  mode: z
    .enum(['passthrough', 'host', 'shadow', 'nested', 'nested-hw'])
    .describe(
      'passthrough: no translation, or in a VM one stage; host: one stage; shadow: the guest table merged into one of the host; nested: the guest table over the host table; nested-hw: so too, and hardware reads the guest commands',
    ),
  vm: flag('A virtual machine, also in mode passthrough: one stage, GPA to SPA').optional(),
  host: stage("The host's table (GPA to SPA when nested)").optional(),
  guest: stage("The guest's table (GVA to GPA)").optional(),
  policy: z.enum(POLICY_NAMES).describe('How the DMA API maps and unmaps; mode passthrough never maps').optional(),
  domain: z
    .enum(['device', 'shared'])
    .describe('device: an address space for each device; shared: one for all devices of the tenant, behind any units')
    .optional(),
  npCache: flag(
    "Its kernel's IOMMU says that it caches not-present entries: maps are flushed too; always so in shadow, and with machine.iotlb.negative",
  ).optional(),
  guestDomains: integer(1, 65_535, 'Domains that the guest makes; left out = one a device').optional(),
  memoryBytes: bytes(1 << 20, 4 * TIB, "Memory for its buffers; a VM's size").optional(),
  devices: z.record(anyName, device).describe('Devices by name'),
});

// ---- run, sweep, report ------------------------------------------------------------------------------------------------
const seed = (description: string) => integer(0, 2 ** 32 - 1, description);
const run = z.strictObject({
  requests: integer(1, 1e12, 'Measured requests of all devices together').optional(),
  durationNs: quantity('ns', { min: 1, max: MAX_NS }, 'Measured simulated time (instead of requests)').optional(),
  warmupNs: ns('Simulated time before counting starts').optional(),
  warmupRequests: integer(0, 1e12, 'Requests before counting starts; the later of the two ends warm-up').optional(),
  seed: seed('First seed').optional(),
  seeds: z
    .union([integer(1, 1000, 'Number of seeds'), z.array(seed('A seed')).min(1).max(1000)], {
      error: (issue) => `${shown(issue.input)} is not a number of seeds (1 to 1000) or a list of seeds`,
    })
    .describe('Number of seeds, or the list of them')
    .optional(),
  quantumNs: quantity('ns', { min: 100, max: 1e9 }, 'Length of the steps between which effects cross units').optional(),
  intervalNs: quantity('ns', { min: 0, max: MAX_NS }, 'Interval of timeline.csv; 0 = none').optional(),
  missCauses: flag('Tell why lookups miss: cold, capacity, conflict, invalidated').optional(),
  debug: flag('Check the sum rules while running (slow)').optional(),
});

const scalar = z.union([z.string(), z.number(), z.boolean()], {
  error: () => 'expected a single value (text, number, true or false)',
});
const sweep = z.strictObject({
  cases: z
    .record(anyName, z.record(z.string(), scalar).nullable(), { error: () => 'expected named sets of path: value' })
    .describe('Named sets of values by path')
    .optional(),
  vary: z
    .record(
      z.string(),
      z
        .array(scalar)
        .min(1, { error: () => 'expected at least one value' })
        .max(10_000),
      {
        error: () => 'expected path: [values]',
      },
    )
    .describe('Values by path; every combination is a point')
    .optional(),
});

const answer = z.strictObject({
  says: text(
    "The answer as a sentence; {metric @ point} stands for a value, {metric @ point vs other} for the change in percent, {metric @ point over other} for how many times as much; {metric of tenant @ point} is one tenant's",
  ).optional(),
  metric: text('Column of summary.csv').optional(),
  of: text('Point that the sentence is about').optional(),
  against: text('Point that it is compared with').optional(),
  crosses: z
    .number({ error: (issue) => `${shown(issue.input)} is not a number` })
    .describe('Name the first point, in order, at which the metric is on the other side of this value')
    .optional(),
  overtakes: text('Case: name the first varied value at which case `of` is above it').optional(),
});
const measured = z.strictObject({
  metric: text('Column of summary.csv that the values are compared with'),
  source: text('Where the values were published'),
  tolerance: real(0, 10, 'Largest relative difference that counts as agreement').optional(),
  points: z.record(z.string(), real(-1e15, 1e15, 'Published value')).describe('Published value by point'),
});

export const scenarioSchema = z.strictObject({
  question: text('The question this scenario answers'),
  machine: machine.optional(),
  os: os.optional(),
  tenants: z.record(anyName, tenant).describe('Tenants by name'),
  run,
  sweep: sweep.optional(),
  table: z
    .array(text('Column of summary.csv, or "metric of tenant"'))
    .min(1)
    .max(12)
    .describe(
      'Columns of the result table, and what the charts of points and sweeps show: columns of summary.csv, or "metric of tenant" for that of one tenant',
    )
    .optional(),
  answer: z.array(answer).max(12).describe('Sentences that answer the question').optional(),
  measured: z.array(measured).max(12).describe('Published numbers to print beside the simulated ones').optional(),
});

export type ScenarioInput = z.output<typeof scenarioSchema>;
export type MachineInput = NonNullable<ScenarioInput['machine']>;
export type TenantInput = ScenarioInput['tenants'][string];
export type DeviceInput = TenantInput['devices'][string];
export type TrafficInput = DeviceInput['traffic'];
export type StageInput = NonNullable<TenantInput['host']>;
export type LinkInput = NonNullable<MachineInput['link']>;
export type CacheInput = z.output<typeof cache>;
export type SharedCacheInput = z.output<typeof sharedCache>;
export type AnswerInput = z.output<typeof answer>;
export type MeasuredInput = z.output<typeof measured>;

const POLICIES: Readonly<Record<(typeof POLICY_NAMES)[number], string>> = {
  strict: 'unmap waits until the IOMMU has forgotten the mapping',
  lazy: 'unmaps gather in a queue and end in one flush of the domain',
  static: 'buffers are mapped once and recycled, as page pool and RDMA do',
  contiguous: 'one contiguous IOVA range and one invalidation a descriptor, walk caches kept (Fast & Safe)',
  passthrough: 'nothing is mapped: mode passthrough',
};

/** Names and descriptions of the choices of a key: the models of `traffic`, or the policies. */
export function choiceTexts(key: 'traffic' | 'policy'): { name: string; description: string }[] {
  if (key === 'policy') return Object.entries(POLICIES).map(([name, description]) => ({ name, description }));
  return traffic.options.map((option) => ({ name: option.shape.model.value, description: option.description ?? '' }));
}

/** JSON Schema of scenario files, for editors. */
export function scenarioJsonSchema(): object {
  const schema = z.toJSONSchema(scenarioSchema, { io: 'input', unrepresentable: 'any' });
  return { title: 'nestwalk scenario', ...schema };
}
