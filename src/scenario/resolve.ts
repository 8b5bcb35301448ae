/** One point of a scenario → machine, OS, tenants and limits of its runs: presets applied, everything checked. */
import {
  type CacheSpec,
  type DeviceSpec,
  effectivePolicy,
  hasGuestTable,
  hostDomainIds,
  isNested,
  isVm,
  type LinkSpec,
  type MachineSpec,
  type NicTraffic,
  type OsSpec,
  type RecycleSpec,
  type RunLimits,
  type StageSpec,
  type TenantSpec,
  type TrafficSpec,
} from '../spec.ts';
import { resolveAts } from './ats.ts';
import { FORMATS, type FormatFacts, type FormatName } from './formats.ts';
import { presetByName } from './presets/index.ts';
import { LINUX_SINGLE_QUEUE, NO_CACHE, type Preset, type PresetCache } from './presets/preset.ts';
import { merge, type Report, resolveCache } from './resolve-cache.ts';
import { type ResolveShared, resolveSharedCache, type TenantCopies } from './resolve-partition.ts';
import { resolveIotlb } from './resolve-iotlb.ts';
import {
  type CacheInput,
  type DeviceInput,
  type LinkInput,
  MAX_DEVICES,
  type MachineInput,
  type ScenarioInput,
  type SharedCacheInput,
  type StageInput,
  type TenantInput,
  type TrafficInput,
} from './schema.ts';
import { sourcesOf } from './sources.ts';
import { show } from './units.ts';

/** Everything of a RunSpec but names and seed. */
export interface ResolvedPoint {
  readonly machine: MachineSpec;
  readonly os: OsSpec;
  readonly tenants: readonly TenantSpec[];
  readonly run: RunLimits;
}

const PAGE = 4096;

export function resolvePoint(input: ScenarioInput, report: Report): ResolvedPoint {
  const preset = presetByName(input.machine?.preset ?? 'generic');
  const machine = resolveMachine(preset, input, report);
  const tenants = resolveTenants(input, machine, preset, report);
  return { machine, os: resolveOs(preset, input), tenants, run: resolveRun(input.run, report) };
}

// ---- machine ---------------------------------------------------------------------------------------------------------
/** Tenants by name in the scenario, and how many there are of each. */
function tenantCopies({ tenants }: ScenarioInput): TenantCopies {
  return Object.entries(tenants).map(([name, { count = 1 }]) => ({ name, count }));
}

function resolveMachine(preset: Preset, scenario: ScenarioInput, report: Report): MachineSpec {
  const base = preset.machine;
  const input = scenario.machine ?? {};
  const tenants = tenantCopies(scenario);
  const cache = (path: string, from: PresetCache, over: CacheInput | undefined) =>
    resolveCache(`machine.${path}`, from, over, report);
  const shared = (path: string, from: PresetCache, over: SharedCacheInput | undefined) =>
    resolveSharedCache(path, from, over, tenants, report);
  const walk = (stage: 'host' | 'guest') =>
    resolveWalkCaches(`machine.walkCaches.${stage}`, base.walkCaches[stage], input.walkCaches?.[stage], shared);
  return {
    preset: preset.name,
    units: input.units ?? base.units,
    iotlb: resolveIotlb(base.iotlb, input.iotlb, shared, report),
    walkCaches: { host: walk('host'), guest: walk('guest') },
    nestedTlb: shared('machine.nestedTlb', base.nestedTlb, input.nestedTlb),
    deviceCache: cache('deviceCache', base.deviceCache, input.deviceCache),
    pasidCache: cache('pasidCache', base.pasidCache, input.pasidCache),
    lineCache: cache('lineCache', base.lineCache, input.lineCache),
    walkers: input.walkers ?? base.walkers,
    ...resolvePrefetch(base, input, report),
    walkStartNs: input.walkStartNs ?? base.walkStartNs,
    latency: merge(base.latency, input.latency),
    order: merge(base.order, input.order),
    link: merge(base.link, input.link),
    commandQueueEntries: input.commandQueueEntries ?? base.commandQueueEntries,
    eventLogEntries: input.eventLogEntries ?? base.eventLogEntries,
    memoryBytes: input.memoryBytes ?? base.memoryBytes,
    estimates: preset.estimates,
    sources: sourcesOf(preset, scenario),
  };
}

/** A preset's prefetch does without an IOTLB; the scenario's own does not. */
function resolvePrefetch(
  base: Preset['machine'],
  { prefetchPages, iotlb }: MachineInput,
  report: Report,
): Pick<MachineSpec, 'prefetchPages'> {
  const pages = prefetchPages ?? base.prefetchPages;
  if (pages === 0) return {};
  if ((iotlb?.entries ?? base.iotlb.entries) > 0) return { prefetchPages: pages };
  if (prefetchPages !== undefined) {
    report(
      'machine.prefetchPages',
      'what is prefetched goes into the shared IOTLB; expected machine.iotlb.entries above 0',
    );
  }
  return {};
}

function resolveWalkCaches(
  path: string,
  base: readonly PresetCache[],
  input: Readonly<Record<string, SharedCacheInput | undefined>> | undefined,
  resolve: ResolveShared,
): CacheSpec[] {
  const levels = Math.max(base.length, ...Object.keys(input ?? {}).map((key) => Number(key.slice('level'.length))));
  return Array.from({ length: levels }, (_, i) => {
    return resolve(`${path}.level${i + 1}`, base[i] ?? NO_CACHE, input?.[`level${i + 1}`]);
  });
}

// ---- os and run ------------------------------------------------------------------------------------------------------
function resolveOs(preset: Preset, { os }: ScenarioInput): OsSpec {
  return {
    kernelEra: os?.kernelEra ?? preset.os.kernelEra,
    iova: merge(preset.os.iova, os?.iova),
    flushQueue: merge(os?.flushQueue?.single === true ? LINUX_SINGLE_QUEUE : preset.os.flushQueue, os?.flushQueue),
    cpus: os?.cpus ?? preset.os.cpus,
    contiguousPages: os?.contiguousPages ?? preset.os.contiguousPages,
    bounceSlots: os?.bounceSlots ?? preset.os.bounceSlots,
    viommu: merge(preset.os.viommu, os?.viommu),
    costs: merge(preset.os.costs, os?.costs),
  };
}

function resolveRun(run: ScenarioInput['run'], report: Report): RunLimits {
  if ((run.requests === undefined) === (run.durationNs === undefined)) {
    report(
      'run',
      run.requests === undefined ? 'missing "requests" or "durationNs"' : 'expected requests or durationNs, not both',
    );
  }
  return {
    requests: run.requests ?? 0,
    durationNs: run.durationNs ?? 0,
    warmupNs: run.warmupNs ?? 0,
    warmupRequests: run.warmupRequests ?? 0,
    quantumNs: run.quantumNs ?? 20_000,
    intervalNs: run.intervalNs ?? 0,
    missCauses: run.missCauses ?? true,
    debug: run.debug ?? false,
  };
}

// ---- tenants -----------------------------------------------------------------------------------------------------------
/** Numbers devices over the whole run and hands out requester IDs. */
class Numbering {
  private next = 0;
  private readonly units: number;
  private readonly taken = new Map<number, string>();
  private readonly cursor: number[];

  constructor(units: number) {
    this.units = units;
    // Each unit owns an equal share of the 256 buses; its first bus is the root's own.
    this.cursor = Array.from({ length: units }, (_, unit) => (Math.floor(256 / units) * unit + 1) << 8);
  }

  index(): number {
    return this.next++;
  }

  /** Reserves a wanted requester ID; the name of the device that already has it, if any. */
  reserve(bdf: number, name: string): string | undefined {
    const holder = this.taken.get(bdf);
    if (holder === undefined) this.taken.set(bdf, name);
    return holder;
  }

  /** The next free requester ID of a unit, or -1 when its buses are full. */
  bdf(unit: number, name: string): number {
    const limit = (Math.floor(256 / this.units) * (unit + 1)) << 8;
    while (this.cursor[unit] < limit && this.taken.has(this.cursor[unit])) this.cursor[unit] += 1;
    if (this.cursor[unit] >= limit) return -1;
    this.taken.set(this.cursor[unit], name);
    return this.cursor[unit];
  }
}

function resolveTenants(input: ScenarioInput, machine: MachineSpec, preset: Preset, report: Report): TenantSpec[] {
  const groups = Object.entries(input.tenants);
  if (groups.length === 0) report('tenants', 'expected at least one tenant');
  const total = groups.reduce((sum, [, tenant]) => sum + (tenant.count ?? 1) * deviceCount(tenant), 0);
  if (total > MAX_DEVICES) {
    report('tenants', `${total} devices are too many; expected at most ${MAX_DEVICES}`);
    return [];
  }
  const names = copyNames('tenants', groups, report);
  const hosts = groups.reduce((sum, [, t]) => sum + (isVirtual(t) ? 0 : (t.count ?? 1)), 0);
  const shareBytes = Math.floor(machine.memoryBytes / 2 / Math.max(1, hosts) / 2 ** 21) * 2 ** 21;
  const numbering = new Numbering(machine.units);
  reserveBdfs(groups, numbering, report);
  const tenants = groups.flatMap(([key, tenant]) =>
    names.get(key)!.map((name, copy) => {
      const memoryBytes = tenant.memoryBytes ?? (isVirtual(tenant) ? 2 ** 32 : Math.max(shareBytes, 2 ** 21));
      return resolveTenant({ path: `tenants.${key}`, name, copy, memoryBytes }, tenant, machine, numbering, report);
    }),
  );
  checkMemory(tenants, machine, report);
  checkDomainIds(tenants, input.os?.viommu?.domainIds ?? preset.os.viommu.domainIds, report);
  return tenants;
}

const isVirtual = ({ mode, vm }: TenantInput): boolean => isVm(vm === undefined ? { mode } : { mode, vm });

/** Every domain of every guest takes one of the host's IDs; 0 is no domain's. */
function checkDomainIds(tenants: readonly TenantSpec[], domainIds: number, report: Report): void {
  const wanted = tenants.reduce((sum, tenant) => sum + hostDomainIds(tenant), 0);
  if (wanted < domainIds) return;
  const most = tenants.reduce((a, b) => (hostDomainIds(b) > hostDomainIds(a) ? b : a));
  const hint = `fewer tenants or devices, or fewer guestDomains (${most.name} alone takes ${hostDomainIds(most)})`;
  report('tenants', `${wanted} host domain IDs are wanted, but there are ${domainIds - 1}; expected ${hint}`);
}

const deviceCount = (tenant: TenantInput): number =>
  Object.values(tenant.devices).reduce((sum, device) => sum + (device.count ?? 1), 0);

/** Names of the copies of each group: `vm`, or `vm-0`, `vm-1`, … Reports names that two groups would share. */
function copyNames(
  path: string,
  groups: readonly (readonly [string, { readonly count?: number | undefined }])[],
  report: Report,
): Map<string, string[]> {
  const owner = new Map<string, string>();
  const result = new Map<string, string[]>();
  for (const [key, { count }] of groups) {
    const names = count === undefined ? [key] : Array.from({ length: count }, (_, i) => `${key}-${i}`);
    const clash = names.find((name) => owner.has(name));
    if (clash !== undefined) {
      report(
        `${path}.${key}`,
        `the name ${show(clash)} is already taken by ${show(owner.get(clash)!)} (count: adds -0, -1, …)`,
      );
    }
    for (const name of names) owner.set(name, key);
    result.set(key, names);
  }
  return result;
}

/** Requester IDs that the scenario gives come before those that are handed out. */
function reserveBdfs(groups: readonly (readonly [string, TenantInput])[], numbering: Numbering, report: Report): void {
  for (const [tenantKey, tenant] of groups) {
    for (const [deviceKey, device] of Object.entries(tenant.devices)) {
      if (device.bdf === undefined) continue;
      const path = `tenants.${tenantKey}.devices.${deviceKey}`;
      const first = parseBdf(device.bdf);
      const copies = (device.count ?? 1) * (tenant.count ?? 1);
      if (first + copies > 0x10000) report(`${path}.bdf`, `${copies} devices from ${device.bdf} on end after ff:1f.7`);
      for (let i = 0; i < copies; i++) {
        const holder = numbering.reserve(first + i, deviceKey);
        if (holder !== undefined) report(`${path}.bdf`, `${bdfText(first + i)} already belongs to ${show(holder)}`);
      }
    }
  }
}

function parseBdf(text: string): number {
  const [bus, rest] = text.split(':') as [string, string];
  const [device, fn] = rest.split('.') as [string, string];
  return (parseInt(bus, 16) << 8) | (parseInt(device, 16) << 3) | Number(fn);
}

/** `41:00.0` */
export function bdfText(bdf: number): string {
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  return `${hex(bdf >> 8)}:${hex((bdf >> 3) & 31)}.${bdf & 7}`;
}

interface TenantCopy {
  readonly path: string;
  readonly name: string;
  readonly copy: number;
  readonly memoryBytes: number;
}

function resolveTenant(
  at: TenantCopy,
  tenant: TenantInput,
  machine: MachineSpec,
  numbering: Numbering,
  report: Report,
): TenantSpec {
  const { path, name, memoryBytes } = at;
  if (memoryBytes % PAGE !== 0) report(`${path}.memoryBytes`, `${memoryBytes} is not a multiple of 4 KiB`);
  const host = resolveStage(`${path}.host`, 'host', tenant.host, 'amd-v1', report);
  const guest = resolveStage(`${path}.guest`, 'guest', tenant.guest, 'amd-v2', report);
  checkMode(path, tenant, host, guest, memoryBytes, report);
  const groups = Object.entries(tenant.devices);
  if (groups.length === 0) report(`${path}.devices`, 'expected at least one device');
  checkDomain(`${path}.domain`, tenant, tenant.domain === 'shared' ? 'shared' : undefined, report);
  const names = copyNames(`${path}.devices`, groups, report);
  const devices = groups.flatMap(([key, device]) => {
    checkDomain(`${path}.devices.${key}.domain`, tenant, device.domain, report);
    const group = {
      path: `${path}.devices.${key}`,
      tenantCopy: at.copy,
      tenantHost: host,
      domain: device.domain ?? (tenant.domain === 'shared' ? 'shared' : undefined),
      ats: resolveAts(
        `${path}.devices.${key}`,
        device,
        { mode: tenant.mode, shares: device.domain !== undefined || tenant.domain === 'shared' },
        report,
      ),
    };
    const traffic = resolveTraffic(`${group.path}.traffic`, device.traffic, report);
    return names
      .get(key)!
      .map((deviceName, i) => resolveDevice(group, deviceName, i, device, traffic, machine, numbering, report));
  });
  checkDomainUnits(path, tenant, devices, report);
  const wanted = tenant.mode === 'passthrough' ? 'passthrough' : (tenant.policy ?? 'strict');
  for (const [key, device] of groups) {
    if (device.untrusted !== true || tenant.mode !== 'passthrough') continue;
    report(`${path}.devices.${key}.untrusted`, 'Linux always translates untrusted devices; expected another mode');
  }
  const options = guestOptions(path, tenant, machine.iotlb.negative === true, report);
  const spec = { name, mode: tenant.mode, host, guest, ...options, memoryBytes, devices };
  return { ...spec, policy: effectivePolicy({ ...spec, policy: wanted }) };
}

/** Only those that the scenario gives: they differ between modes. `negative`: units keep not-present results. */
function guestOptions(
  path: string,
  { mode, vm, npCache, guestDomains }: TenantInput,
  negative: boolean,
  report: Report,
): Pick<TenantSpec, 'vm' | 'npCache' | 'guestDomains'> {
  const mustKnow = negative && mode !== 'passthrough' && mode !== 'shadow';
  if (mustKnow && npCache === false) {
    const problem =
      'with machine.iotlb.negative a page that was not present would stay so for a kernel that does not know';
    report(`${path}.npCache`, `${problem}; leave npCache out`);
  }
  return {
    ...(vm === undefined ? {} : { vm }),
    ...(mustKnow ? { npCache: true } : npCache === undefined ? {} : { npCache }),
    ...(guestDomains === undefined ? {} : { guestDomains }),
  };
}

function resolveStage(
  path: string,
  stage: 'host' | 'guest',
  input: StageInput | undefined,
  fallback: FormatName,
  report: Report,
): StageSpec {
  const format = input?.format ?? fallback;
  const facts: FormatFacts = FORMATS[format];
  const levels = input?.levels ?? facts.defaultLevels;
  const leafBytes = input?.leafBytes ?? PAGE;
  if (!facts.stages.includes(stage)) {
    const others = Object.entries(FORMATS).filter(([, other]) => (other.stages as readonly string[]).includes(stage));
    report(`${path}.format`, `${format} is no ${stage} table; expected ${others.map(([name]) => name).join(' or ')}`);
  }
  if (!facts.levels.includes(levels)) {
    report(
      `${path}.levels`,
      `${format} has ${facts.levels.join(', ').replace(/, (?=\d+$)/, ' or ')} levels, not ${levels}`,
    );
  }
  const leafLog2 = Math.round(Math.log2(leafBytes));
  if (!facts.leafLog2.includes(leafLog2) || 2 ** leafLog2 !== leafBytes) {
    report(`${path}.leafBytes`, `${format} leaves can be 4KiB, 2MiB or 1GiB, not ${leafBytes} bytes`);
  }
  return { format, levels, leafLog2 };
}

function checkMode(
  path: string,
  tenant: TenantInput,
  host: StageSpec,
  guest: StageSpec,
  memoryBytes: number,
  report: Report,
): void {
  if (tenant.policy === 'passthrough' && tenant.mode !== 'passthrough') {
    report(`${path}.policy`, `policy passthrough needs mode passthrough, not ${tenant.mode}`);
  }
  checkGuest(path, tenant, report);
  if (!isVirtual(tenant)) return;
  const [hostFacts, guestFacts]: FormatFacts[] = [
    FORMATS[host.format as FormatName],
    FORMATS[guest.format as FormatName],
  ];
  const nests = hostFacts.architecture === guestFacts.architecture && host.format === 'amd-v1';
  if (!nests && guestFacts.stages.includes('guest')) {
    const problem = isNested(tenant.mode)
      ? `guest tables of ${guest.format} nest in amd-v1, not in ${host.format}`
      : `Linux gives a VM's devices amd-v1 tables; expected amd-v1, not ${host.format}`;
    report(`${path}.host.format`, problem);
  }
  const reachBits = hostFacts.inputBits(host.levels);
  if (memoryBytes > 2 ** reachBits) {
    report(
      `${path}.memoryBytes`,
      `${memoryBytes} bytes do not fit ${host.levels} levels of ${host.format} (${reachBits} bits)`,
    );
  }
}

/** What makes a VM of a tenant, and what its devices may ask for. */
function checkGuest(path: string, tenant: TenantInput, report: Report): void {
  const { mode, vm, npCache } = tenant;
  if (vm === true && mode === 'host') {
    report(`${path}.vm`, "mode host is the host's own DMA; expected passthrough, shadow, nested or nested-hw for a VM");
  }
  if (vm === false && hasGuestTable(mode)) report(`${path}.vm`, `mode ${mode} is always a VM's; leave vm out`);
  if (npCache === false && mode === 'shadow') {
    report(`${path}.npCache`, 'mode shadow learns of maps by their flushes; leave npCache out');
  }
  if (!isVirtual(tenant) || isNested(mode)) return;
  for (const [key, { pasid }] of Object.entries(tenant.devices)) {
    if (pasid === undefined) continue;
    report(
      `${path}.devices.${key}.pasid`,
      `hardware finds tables by PASID only in modes nested and nested-hw, not in ${mode}`,
    );
  }
}

interface DeviceGroup {
  readonly path: string;
  readonly tenantCopy: number;
  readonly tenantHost: StageSpec;
  readonly domain: string | undefined;
  readonly ats: Pick<DeviceSpec, 'ats' | 'pri'>;
}

/** Sharing needs a table that the DMA API maps into. (All devices of a VM without an IOMMU are in one domain anyway.) */
function checkDomain(path: string, tenant: TenantInput, domain: string | undefined, report: Report): void {
  if (domain === undefined || tenant.mode !== 'passthrough' || isVirtual(tenant)) return;
  report(path, 'devices that pass through are in no domain that they could share; expected another mode');
}

/** The hypervisor's merged table, and the guest's command buffer that hardware reads, are one unit's. */
function checkDomainUnits(path: string, { mode }: TenantInput, devices: readonly DeviceSpec[], report: Report): void {
  if (mode !== 'shadow' && mode !== 'nested-hw') return;
  const units = new Map<string, number>();
  for (const { domain, unit, name } of devices) {
    if (domain === undefined) continue;
    const first = units.get(domain) ?? unit;
    units.set(domain, first);
    if (unit === first) continue;
    report(
      `${path}.devices`,
      `${name} is in domain ${show(domain)} of unit ${first}, but behind unit ${unit}: in mode ${mode} a domain has one unit`,
    );
    return;
  }
}

function resolveDevice(
  group: DeviceGroup,
  name: string,
  copy: number,
  device: DeviceInput,
  traffic: TrafficSpec,
  machine: MachineSpec,
  numbering: Numbering,
  report: Report,
): DeviceSpec {
  const index = numbering.index();
  let unit = device.unit ?? index % machine.units;
  if (unit >= machine.units) {
    report(`${group.path}.unit`, `unit ${unit} does not exist; the machine has units 0 to ${machine.units - 1}`);
    unit = 0;
  }
  const given =
    device.bdf === undefined ? undefined : parseBdf(device.bdf) + group.tenantCopy * (device.count ?? 1) + copy;
  const bdf = given ?? numbering.bdf(unit, name);
  if (bdf < 0) report(group.path, `unit ${unit} has no requester ID left for ${show(name)}`);
  return {
    name,
    index,
    bdf,
    unit,
    ...(group.domain === undefined ? {} : { domain: group.domain }),
    pasid: device.pasid ?? -1,
    link: resolveLink(machine.link, device.link),
    untrusted: device.untrusted ?? false,
    ...group.ats,
    traffic,
  };
}

const resolveLink = (base: LinkSpec, input: LinkInput | undefined): LinkSpec => merge(base, input);

// ---- traffic -----------------------------------------------------------------------------------------------------------
/** Rows are read when the run is prepared (traces.ts); until then a replay has none. */
export const NO_ROWS = {
  issuePs: new Float64Array(0),
  page: new Float64Array(0),
  offset: new Uint16Array(0),
  lengthBytes: new Uint32Array(0),
  op: new Uint8Array(0),
};

function resolveTraffic(path: string, traffic: TrafficInput, report: Report): TrafficSpec {
  switch (traffic.model) {
    case 'nic':
      return resolveNic(path, traffic, report);
    case 'replay':
      return {
        model: 'replay',
        path: traffic.path,
        ...(traffic.device === undefined ? {} : { device: traffic.device }),
        outstanding: traffic.outstanding ?? 0,
        rows: NO_ROWS,
      };
    default:
      return resolveWindow(path, traffic, report);
  }
}

type WindowInput = Exclude<TrafficInput, { model: 'nic' | 'replay' }>;

function resolveWindow(path: string, traffic: WindowInput, report: Report): TrafficSpec {
  const { windowBytes, transferBytes } = traffic;
  if (windowBytes % PAGE !== 0) report(`${path}.windowBytes`, `${windowBytes} bytes are not whole 4 KiB pages`);
  if (transferBytes > windowBytes) {
    report(`${path}.transferBytes`, `transfers of ${transferBytes} bytes do not fit a window of ${windowBytes}`);
  }
  const window = {
    windowBytes,
    transferBytes,
    readFraction: traffic.readFraction ?? 1,
    outstanding: traffic.outstanding ?? 1,
    ratePerSecond: traffic.ratePerSecond ?? 0,
    arrivals: traffic.arrivals ?? ('poisson' as const),
  };
  if (traffic.model === 'zipf') return { model: 'zipf', exponent: traffic.exponent, ...window };
  if (traffic.model === 'uniform') return { model: 'uniform', ...window };
  const strideBytes = traffic.strideBytes ?? transferBytes;
  if (strideBytes > windowBytes) {
    report(`${path}.strideBytes`, `a stride of ${strideBytes} bytes leaves a window of ${windowBytes}`);
  }
  return { model: 'sequential', strideBytes, ...window };
}

type NicInput = Extract<TrafficInput, { model: 'nic' }>;

function resolveNic(path: string, nic: NicInput, report: Report): TrafficSpec {
  const ringEntries = nic.ringEntries ?? 1024;
  const pollBatch = nic.pollBatch ?? Math.min(64, ringEntries);
  const descriptorBatch = nic.descriptorBatch ?? Math.min(8, ringEntries);
  if (descriptorBatch > ringEntries) {
    report(`${path}.descriptorBatch`, `a batch of ${descriptorBatch} does not fit a ring of ${ringEntries}`);
  }
  if (pollBatch > ringEntries)
    report(`${path}.pollBatch`, `a batch of ${pollBatch} does not fit a ring of ${ringEntries}`);
  const bufferBytes = nic.bufferBytes ?? 2048;
  const buffersPerDescriptor = nic.buffersPerDescriptor ?? 1;
  checkDescriptor(path, { buffersPerDescriptor, bufferBytes, ringEntries, mtuBytes: nic.mtuBytes ?? 1500 }, report);
  return {
    model: 'nic',
    queues: nic.queues ?? 1,
    direction: nic.direction ?? 'rx',
    offeredGbps: nic.offeredGbps ?? 0,
    mtuBytes: nic.mtuBytes ?? 1500,
    ringEntries,
    bufferBytes,
    descriptorBytes: nic.descriptorBytes ?? 16,
    completionBytes: nic.completionBytes ?? 64,
    descriptorBatch,
    pollBatch,
    flows: nic.flows ?? 1,
    burstPackets: nic.burstPackets ?? 16,
    buffersPerDescriptor,
    completionCpu: nic.completionCpu ?? 'same',
    recycle: merge<RecycleSpec>({ pages: 0, order: 'fifo', holdNs: 0 }, nic.recycle),
  };
}

type DescriptorShape = Pick<NicTraffic, 'buffersPerDescriptor' | 'bufferBytes' | 'ringEntries' | 'mtuBytes'>;

/** Buffers that come and go together are pages of one ring, and a packet's buffers never wait for each other's descriptor. */
function checkDescriptor(path: string, shape: DescriptorShape, report: Report): void {
  const { buffersPerDescriptor: count, bufferBytes, ringEntries, mtuBytes } = shape;
  if (count === 1) return;
  const at = `${path}.buffersPerDescriptor`;
  if (bufferBytes !== PAGE) report(at, `${count} buffers a descriptor need buffers of 4 KiB, not ${bufferBytes} bytes`);
  else if (ringEntries % count !== 0) report(at, `a ring of ${ringEntries} is no multiple of ${count} buffers`);
  else if (ringEntries < count + Math.ceil(mtuBytes / PAGE)) {
    report(at, `a ring of ${ringEntries} must hold the buffers of one packet beside one descriptor of ${count}`);
  }
}

/** Bytes of DMA memory that a device's traffic needs at least. */
export function trafficBytes(traffic: TrafficSpec): number {
  if (traffic.model === 'replay') return 0;
  if (traffic.model !== 'nic') return traffic.windowBytes;
  const packet = Math.ceil(traffic.mtuBytes / traffic.bufferBytes) * traffic.bufferBytes;
  const queues = (traffic.direction === 'both' ? 2 : 1) * traffic.queues;
  const recycled = traffic.direction === 'tx' ? 0 : traffic.queues * traffic.recycle.pages * PAGE;
  return queues * traffic.ringEntries * (packet + 2 * traffic.descriptorBytes) + recycled;
}

function checkMemory(tenants: readonly TenantSpec[], machine: MachineSpec, report: Report): void {
  for (const tenant of tenants) {
    const wanted = tenant.devices.reduce((sum, device) => sum + trafficBytes(device.traffic), 0);
    if (wanted <= tenant.memoryBytes) continue;
    const path = `tenants.${tenant.name.replace(/-\d+$/, '')}.memoryBytes`;
    report(path, `${tenant.name} needs ${wanted} bytes for its devices, but has ${tenant.memoryBytes}`);
  }
  const total = tenants.reduce((sum, tenant) => sum + tenant.memoryBytes, 0);
  if (total > machine.memoryBytes) {
    report(
      'machine.memoryBytes',
      `the tenants have ${total} bytes together, more than the machine's ${machine.memoryBytes}`,
    );
  }
}
