// Registers of one kernel instance. wasm globals belong to the instance, so threads that share the memory do not meet here.

import { ARENA_ADDRESS, ARENA_BASE, ARENA_LIMIT } from '../layout';

/** Unit and requester that the current operation works for. */
export let unit: usize = 0;
export let ctx: usize = 0;
/** Time at which the current operation began, ps. */
export let nowPs: f64 = 0;
/** Cost of the reads made since `begin`, ps, and their number. */
export let costPs: f64 = 0;
export let reads: i32 = 0;
/** Arena whose addresses a software walk uses; no bytes = addresses are SPAs and go through the window table. */
export let arenaAddress: u64 = 0;
export let arenaBase: u32 = 0;
export let arenaBytes: u32 = 0;
/** Where a trace of the walk goes; 0 = nowhere. */
export let trace: usize = 0;

/** Result of the last walk. */
export let outPage: u64 = 0;
export let outSizeLog2: i32 = 0;
/** Bit 0: reads allowed, bit 1: writes. */
export let outPermissions: i32 = 0;
export let outFault: i32 = 0;

export function begin(forUnit: usize, forCtx: usize, atPs: f64): void {
  unit = forUnit;
  ctx = forCtx;
  nowPs = atPs;
  costPs = 0;
  reads = 0;
}

// @ts-ignore: decorator
@inline
export function addTo(at: usize, amount: f64): void {
  store<f64>(at, load<f64>(at) + amount);
}

export const ONE = memory.data<f64>([1]);

/** Adds one. A constant takes three instructions to make, from memory none. */
// @ts-ignore: decorator
@inline
export function increment(at: usize): void {
  store<f64>(at, load<f64>(at) + load<f64>(ONE));
}

/** Adds what a stretch of a walk cost. */
export function addReads(ps: f64, count: i32): void {
  costPs += ps;
  reads += count;
}

export function setReads(to: i32): void {
  reads = to;
}

/** A page number from JavaScript, 0 ≤ page < 2^52: the bits of page + 2^52 are the number; half the cost of a conversion. */
export function pageOf(page: f64): u64 {
  return reinterpret<u64>(page + 4503599627370496.0) & 0xfffffffffffff;
}

export function setArena(to: usize): void {
  arenaBytes = 0;
  if (to == 0) return;
  arenaAddress = load<u64>(to, ARENA_ADDRESS);
  arenaBase = load<u32>(to, ARENA_BASE);
  arenaBytes = load<u32>(to, ARENA_LIMIT) - arenaBase;
}

export function setTrace(to: usize): void {
  trace = to;
}

export function result(page: u64, sizeLog2: i32, permissions: i32): i32 {
  outPage = page;
  outSizeLog2 = sizeLog2;
  outPermissions = permissions;
  outFault = 0;
  return 0;
}

export function fault(code: i32): i32 {
  outFault = code;
  return code;
}
