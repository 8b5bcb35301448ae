// The least that a timed model of the benchmark's cases can be, written down straight: a heap of devices with four reads in flight each, an IOTLB
// of 64 sets of 8 ways, 8 walkers, waits on walks in flight, a cache of 16 Ki lines before table memory, a latency histogram. It has one format,
// one policy and no counts, no faults, no configuration and no link but a rate: what it leaves out is what the simulator is for. Its speed says what
// this machine has to give.

const DEVICES: u32 = 64;
const READS: u32 = 4; // in flight, a device
const SETS: u32 = 64;
const WAYS: u32 = 8;
const WALKERS: u32 = 8;
const LINE_SETS: u32 = 2048;
const BUCKETS: u32 = 4096;
const FIRST_PAGE: u64 = 0x80000;
const GUEST_PAGE: u64 = 0x10000; // of the guest's data, in its host table
const LEVELS: i32 = 4;
const HIT_NS: f64 = 5;
const LINE_NS: f64 = 20;
const MEMORY_NS: f64 = 80;
const DATA_NS: f64 = 100;
const WIRE_NS: f64 = 3;

const HEAP: usize = 4096; // {f64 due, u32 device}
const DEVICE: usize = HEAP + DEVICES * 16; // {u64 root, u64 host root, f64 link, u32 reads, f64 × READS}
const DEVICE_BYTES: usize = 64;
const KEYS: usize = DEVICE + DEVICES * DEVICE_BYTES;
const USES: usize = KEYS + SETS * WAYS * 8;
const READY: usize = USES + SETS * WAYS * 4;
const TARGET: usize = READY + SETS * WAYS * 8;
const WALKER: usize = TARGET + SETS * WAYS * 8;
const LINES: usize = WALKER + WALKERS * 8;
const LINE_USES: usize = LINES + LINE_SETS * WAYS * 4;
const HISTOGRAM: usize = LINE_USES + LINE_SETS * WAYS * 4;
const TABLES: usize = (HISTOGRAM + BUCKETS * 8 + 4095) & ~4095;

let top: usize = TABLES;
let isNested = false;
let pages: u32 = 0;
let clock: u32 = 0;
let s0: u32 = 1;
let s1: u32 = 2;
let s2: u32 = 3;
let s3: u32 = 4;
let costNs: f64 = 0;
/** Table reads since the start. */
export let reads: f64 = 0;

/** Tables for all devices, each with a window of so many pages, in memory that is zero. Bytes in use come back. */
export function prepare(windowPages: u32, nested: bool): usize {
  isNested = nested;
  pages = windowPages;
  for (let device: u32 = 0; device < DEVICES; device++) {
    const at = DEVICE + device * DEVICE_BYTES;
    const host = frame();
    store<u64>(at, host, 8);
    if (nested) store<u64>(at, nest(host));
    else mapAll(host, FIRST_PAGE, device);
    store<f64>(HEAP + device * 16, <f64>device);
    store<u32>(HEAP + device * 16, device, 8);
  }
  return top;
}

function frame(): u64 {
  top += 4096;
  return top - 4096;
}

function mapAll(root: u64, first: u64, device: u32): void {
  for (let page: u32 = 0; page < pages; page++) map(root, first + page, (<u64>device << 20) | page, 0);
}

/** A guest's table in guest frames 0 … , which lie in a row; the host maps them and the guest's data. */
function nest(host: u64): u64 {
  const frames = LEVELS + pages / 512 + 1;
  const base = top;
  for (let i: u32 = 0; i < <u32>frames; i++) frame();
  for (let i: u32 = 0; i < <u32>frames; i++) map(host, i, (base >> 12) + i, 0);
  mapAll(host, GUEST_PAGE, <u32>(host >> 12));
  guestFrames = 1;
  for (let page: u32 = 0; page < pages; page++) map(0, FIRST_PAGE + page, GUEST_PAGE + page, base);
  return 0;
}

let guestFrames: u64 = 0;

/** Addresses in the table count from `base`. */
function map(root: u64, page: u64, target: u64, base: usize): void {
  let table = root;
  for (let level = LEVELS - 1; level > 0; level--) {
    const at = base + <usize>table + indexOf(page, level);
    if (load<u64>(at) == 0) store<u64>(at, (base == 0 ? frame() : guestFrames++ << 12) | 1);
    table = load<u64>(at) & ~4095;
  }
  store<u64>(base + <usize>table + indexOf(page, 0), (target << 12) | 1);
}

// @ts-ignore: decorator
@inline
function indexOf(page: u64, level: i32): usize {
  return (<usize>(page >> <u64>(9 * level)) & 511) << 3;
}

/** Runs so many requests, and says how many of them hit. */
export function run(requests: u32): u32 {
  let hits: u32 = 0;
  for (let i: u32 = 0; i < requests; i++) {
    const nowNs = load<f64>(HEAP);
    const device = load<u32>(HEAP, 8);
    const own = DEVICE + device * DEVICE_BYTES;
    const page = FIRST_PAGE + ((<u64>draw() * pages) >> 32);
    const key = page | (<u64>(device + 1) << 40);
    const set = <u32>((key * 0x9e3779b97f4a7c15) >> 58) * WAYS;
    let doneNs = nowNs + HIT_NS;
    const slot = find(key, set);
    if (slot != WAYS) {
      hits++;
      store<u32>(USES + ((set + slot) << 2), ++clock);
      const readyNs = load<f64>(READY + ((set + slot) << 3));
      if (readyNs > doneNs) doneNs = readyNs;
    } else doneNs = miss(own, page, key, set, doneNs);
    const bucket = <u32>(doneNs - nowNs);
    const count = HISTOGRAM + ((bucket < BUCKETS ? bucket : BUCKETS - 1) << 3);
    store<u64>(count, load<u64>(count) + 1);
    replaceFirst(nextOf(own, doneNs + DATA_NS, nowNs), device);
  }
  return hits;
}

/** The read's data go over the link; the device's next read in its turn begins when its forerunner is there. */
// @ts-ignore: decorator
@inline
function nextOf(own: usize, dataNs: f64, nowNs: f64): f64 {
  const linkNs = load<f64>(own, 16);
  const doneNs = (dataNs > linkNs ? dataNs : linkNs) + WIRE_NS;
  store<f64>(own, doneNs, 16);
  const turn = load<u32>(own, 24);
  store<u32>(own, turn + 1, 24);
  store<f64>(own + ((turn % READS) << 3), doneNs + WIRE_NS, 32);
  const nextNs = load<f64>(own + (((turn + 1) % READS) << 3), 32);
  return nextNs > nowNs ? nextNs : nowNs;
}

// @ts-ignore: decorator
@inline
function find(key: u64, set: u32): u32 {
  let way: u32 = 0;
  while (way < WAYS && load<u64>(KEYS + ((set + way) << 3)) != key) way++;
  return way;
}

function miss(own: usize, page: u64, key: u64, set: u32, fromNs: f64): f64 {
  let walker = WALKER;
  for (let at = WALKER + 8; at < WALKER + WALKERS * 8; at += 8) if (load<f64>(at) < load<f64>(walker)) walker = at;
  const freeNs = load<f64>(walker);
  costNs = 0;
  const target = isNested ? guestStage(load<u64>(own), load<u64>(own, 8), page) : stage(load<u64>(own, 8), page);
  const doneNs = (freeNs > fromNs ? freeNs : fromNs) + costNs;
  store<f64>(walker, doneNs);
  const slot = set + oldest(USES + (set << 2));
  store<u64>(KEYS + (slot << 3), key);
  store<u64>(TARGET + (slot << 3), target);
  store<f64>(READY + (slot << 3), doneNs);
  store<u32>(USES + (slot << 2), ++clock);
  return doneNs;
}

// @ts-ignore: decorator
@inline
function oldest(uses: usize): u32 {
  let least: u32 = 0;
  for (let way: u32 = 1; way < WAYS; way++) if (load<u32>(uses + (way << 2)) < load<u32>(uses + (least << 2))) least = way;
  return least;
}

function guestStage(root: u64, host: u64, page: u64): u64 {
  let table = root;
  for (let level = LEVELS - 1; level >= 0; level--) {
    const entry = read(<usize>(stage(host, table >> 12) << 12) + indexOf(page, level));
    table = entry & ~4095;
  }
  return stage(host, table >> 12);
}

function stage(root: u64, page: u64): u64 {
  let table = root;
  for (let level = LEVELS - 1; level >= 0; level--) {
    const entry = read(<usize>table + indexOf(page, level));
    if ((entry & 1) == 0) return 0;
    table = entry & ~4095;
  }
  return table >> 12;
}

/** An entry, through the line cache. */
// @ts-ignore: decorator
@inline
function read(at: usize): u64 {
  const line = <u32>(at >> 6);
  const set = (line & (LINE_SETS - 1)) * WAYS;
  reads += 1;
  let way: u32 = 0;
  while (way < WAYS && load<u32>(LINES + ((set + way) << 2)) != line) way++;
  costNs += way < WAYS ? LINE_NS : MEMORY_NS;
  if (way == WAYS) way = oldest(LINE_USES + (set << 2));
  store<u32>(LINES + ((set + way) << 2), line);
  store<u32>(LINE_USES + ((set + way) << 2), ++clock);
  return load<u64>(at);
}

/** xoshiro128**. */
// @ts-ignore: decorator
@inline
function draw(): u32 {
  const result = rotl<u32>(s1 * 5, 7) * 9;
  const shifted = s1 << 9;
  s2 ^= s0;
  s3 ^= s1;
  s1 ^= s2;
  s0 ^= s3;
  s2 ^= shifted;
  s3 = rotl<u32>(s3, 11);
  return result;
}

/** The first of the heap gets another time, and goes down to its place. */
// @ts-ignore: decorator
@inline
function replaceFirst(dueNs: f64, device: u32): void {
  let at: u32 = 0;
  while (true) {
    let child: u32 = 2 * at + 1;
    if (child >= DEVICES) break;
    if (child + 1 < DEVICES && load<f64>(HEAP + ((child + 1) << 4)) < load<f64>(HEAP + (child << 4))) child++;
    if (load<f64>(HEAP + (child << 4)) >= dueNs) break;
    store<f64>(HEAP + (at << 4), load<f64>(HEAP + (child << 4)));
    store<u32>(HEAP + (at << 4), load<u32>(HEAP + (child << 4), 8), 8);
    at = child;
  }
  store<f64>(HEAP + (at << 4), dueNs);
  store<u32>(HEAP + (at << 4), device, 8);
}
