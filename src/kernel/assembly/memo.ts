// Memos of descents: the way from a root to the table that a walk ends in, for walks without walk caches. A walk that finds its memo looks
// at all entries on the way at once, not one after the other as they point, and decodes none of them: where each still holds what it
// held, and its line is where it was in the line cache, the walk leaves what reading them would leave. So it does not matter who
// writes tables, and how. Where anything has changed, the walk is made in full. No result depends on what is remembered.

import {
  CACHE_CLOCK, RULE_LEVELS_MAX, RULE_PERM_XOR, RULE_PRESENT, RULE_STEPS, STEP_GO_MASK, STEP_GO_VALUE, STEP_INDEX_MASK, STEP_LEAF_MASK,
  STEP_LEAF_VALUE, STEP_LOG2, STEP_PERM_IGNORE, STEP_SHIFT, UNIT_LINE_CACHE,
} from '../layout';
import {
  MEMO_COUNTS, MEMO_ENTRIES, MEMO_FIRST, MEMO_GUEST_ENTRIES, MEMO_GUEST_FIRST, MEMO_LEVEL, MEMO_PERMISSIONS, MEMO_READS, MEMO_TABLE,
  STOP_AT, STOP_LINE, STOP_LOG2, STOP_VALUE,
} from '../layout-memo';
import { lineSet, windowed } from './read';
import { unit } from './state';
import { addressOf } from './word';

/** What all pages of a lowest table have in common; where the root is the lowest, any number will do. */
// @ts-ignore: decorator
@inline
export function placeOf(rule: usize, page: u64): u64 {
  return (page << 12) >> <u64>load<u32>(rule, RULE_STEPS + (1 << STEP_LOG2) + STEP_SHIFT);
}

/** MEMO_ROOT of a stage's walks from a root of level `top`. */
// @ts-ignore: decorator
@inline
export function memoKey(root: u64, top: i32, stage: i32): u64 {
  return root | <u64>(top << 1 | stage);
}

/** Where the memos of a root begin: they are spread by golden-ratio multiples, and those of neighbouring places lie side by side. */
// @ts-ignore: decorator
@inline
export function memoStart(root: u64): u32 {
  return (<u32>(root >> 12) * 0x9e3779b1) >> 16;
}

/** Those of a guest's root in a host table. */
// @ts-ignore: decorator
@inline
export function guestMemoStart(root: u64, hostRoot: u64): u32 {
  return ((<u32>(root >> 12) + <u32>(hostRoot >> 12) * 5) * 0x9e3779b1) >> 16;
}

// @ts-ignore: decorator
@inline
export function memoAt(memos: usize, start: u32, place: u64, mask: u32, bytes: usize): usize {
  return memos + <usize>((start + <u32>place) & mask) * bytes;
}

/** Whether the way is kept and nothing on it has changed. Then its lines are the newest. */
// @ts-ignore: decorator
@inline
export function goes(memo: usize, first: usize, lines: usize): bool {
  if (load<u32>(memo, MEMO_TABLE) == 0) return false;
  if (lines != 0) {
    if (!holds(memo, first)) return false;
    renewLines(memo, first, lines);
    return true;
  }
  const end = endOf(memo, first);
  let changed: u64 = 0;
  for (let stop = first; stop < end; stop += 1 << STOP_LOG2) {
    changed |= load<u64>(load<u32>(stop, STOP_AT)) ^ load<u64>(stop, STOP_VALUE);
  }
  return changed == 0;
}

// @ts-ignore: decorator
@inline
function endOf(memo: usize, first: usize): usize {
  return first + (<usize>load<u8>(memo, MEMO_ENTRIES) << STOP_LOG2);
}

/** Whether nothing has changed on a way that is kept, and the line cache holds it. */
// @ts-ignore: decorator
@inline
export function holds(memo: usize, first: usize): bool {
  const end = endOf(memo, first);
  let changed: u64 = 0;
  let moved: u32 = 0;
  for (let stop = first; stop < end; stop += 1 << STOP_LOG2) {
    const at = load<u32>(stop, STOP_AT);
    changed |= load<u64>(at) ^ load<u64>(stop, STOP_VALUE);
    moved |= load<u32>(load<u32>(stop, STOP_LINE)) ^ (at >> 6);
  }
  return (changed | <u64>moved) == 0;
}

/** Whether a tag in the line cache is that of a line on a way. */
// @ts-ignore: decorator
@inline
export function isOnWay(memo: usize, first: usize, tag: usize): bool {
  const end = endOf(memo, first);
  let found: u32 = 0;
  for (let stop = first; stop < end; stop += 1 << STOP_LOG2) found |= <u32>(load<u32>(stop, STOP_LINE) == tag);
  return found != 0;
}

/** The lines of a way are the newest. */
// @ts-ignore: decorator
@inline
export function renewLines(memo: usize, first: usize, lines: usize): void {
  const end = endOf(memo, first);
  let clock = load<u32>(lines, CACHE_CLOCK);
  for (let stop = first; stop < end; stop += 1 << STOP_LOG2) store<u32>(load<u32>(stop, STOP_LINE), ++clock, 32);
  store<u32>(lines, clock, CACHE_CLOCK);
}

// ---- Learning a way: silently, after a walk that has gone it -------------------------------------------------------------------

/** How far the way that is being learned has come: the next table, its level, and what the entries before it allow. */
let table: u64 = 0;
let level: i32 = 0;
let permissions: u64 = 0;
/** Entries on it, and reads that it took. */
let entries: i32 = 0;
let reads: i32 = 0;
/** The entry at which the last stage ended. */
let lastAt: usize = 0;
let lastEntry: u64 = 0;

/** Keeps the way of a walk of one stage. */
export function learn(memo: usize, rule: usize, top: i32, root: u64, page: u64): void {
  const first = memo + MEMO_FIRST;
  entries = 0;
  reads = 0;
  table = root;
  level = top;
  permissions = ~(<u64>0);
  while (step(first, RULE_LEVELS_MAX - 1, rule, page)) continue;
  if (entries < RULE_LEVELS_MAX) keep(memo, first, rule);
}

/** Keeps the way of a guest's walk, with those of its tables' addresses through the host stage. */
export function learnGuest(memo: usize, rule: usize, top: i32, root: u64, page: u64, hostRule: usize, hostTop: i32, hostRoot: u64): void {
  const first = memo + MEMO_GUEST_FIRST;
  store<u64>(memo, 0, MEMO_COUNTS);
  entries = 0;
  reads = 0;
  level = top;
  table = root;
  permissions = ~(<u64>0);
  while (true) {
    const above = permissions;
    const guestLevel = level;
    if (!hostWay(memo, first, hostRule, hostTop, hostRoot, table)) return;
    permissions = above;
    level = guestLevel;
    if (!step(first, MEMO_GUEST_ENTRIES, rule, page)) break;
  }
  if (entries <= MEMO_GUEST_ENTRIES) keep(memo, first, rule);
}

/** One table of the guest through the host stage; false if that ends in anything but a plain leaf. */
function hostWay(memo: usize, first: usize, rule: usize, top: i32, root: u64, address: u64): bool {
  table = root;
  level = top;
  while (step(first, MEMO_GUEST_ENTRIES, rule, address >> 12)) continue;
  const at = rule + RULE_STEPS + (level << STEP_LOG2);
  if (lastEntry == 0 || (lastEntry & load<u64>(at, STEP_LEAF_MASK)) != load<u64>(at, STEP_LEAF_VALUE)) return false;
  note(first, MEMO_GUEST_ENTRIES, lastAt, lastEntry);
  for (let i = level; i <= top; i++) store<u8>(memo + i, load<u8>(memo + i, MEMO_COUNTS) + 1, MEMO_COUNTS);
  const inside = (<u64>1 << <u64>load<u32>(at, STEP_SHIFT)) - 1;
  table = (addressOf(rule, lastEntry) & ~inside) | (address & inside);
  return true;
}

/** Follows one entry; false if it does not plainly point to the next table (`lastEntry` is 0 if it is not present). */
function step(first: usize, room: i32, rule: usize, page: u64): bool {
  const record = rule + RULE_STEPS + (level << STEP_LOG2);
  const index = <u32>((page << 12) >> <u64>load<u32>(record, STEP_SHIFT)) & load<u32>(record, STEP_INDEX_MASK);
  lastAt = windowed(table + (<u64>index << 3));
  lastEntry = load<u64>(lastAt); // 0 where there is no memory
  if ((lastEntry & load<u64>(rule, RULE_PRESENT)) == 0) lastEntry = 0;
  if (lastEntry == 0 || (lastEntry & load<u64>(record, STEP_GO_MASK)) != load<u64>(record, STEP_GO_VALUE)) return false;
  note(first, room, lastAt, lastEntry);
  permissions &= (lastEntry ^ load<u64>(rule, RULE_PERM_XOR)) | load<u64>(record, STEP_PERM_IGNORE);
  table = addressOf(rule, lastEntry);
  level--;
  return true;
}

/** Adds an entry; one that was on the way before counts where it was read last. One more than there is room for is not kept. */
function note(first: usize, room: i32, at: usize, value: u64): void {
  reads++;
  if (entries > room) return;
  const end = first + (<usize>entries << STOP_LOG2);
  for (let stop = first; stop < end; stop += 1 << STOP_LOG2) {
    if (load<u32>(stop, STOP_AT) != <u32>at) continue;
    const next = stop + (1 << STOP_LOG2);
    memory.copy(stop, next, end - next);
    entries--;
    break;
  }
  const to = first + (<usize>entries << STOP_LOG2);
  if (entries++ >= room) return;
  store<u32>(to, <u32>at, STOP_AT);
  store<u64>(to, value, STOP_VALUE);
}

/** The way ends in `table`: it is kept if that lies whole in table memory, and all lines on the way are in the line cache. */
function keep(memo: usize, first: usize, rule: usize): void {
  const last = load<u32>(rule + RULE_STEPS + (level << STEP_LOG2), STEP_INDEX_MASK) << 3;
  const at = windowed(table);
  if (at == 0 || windowed(table + <u64>last) != at + last) return;
  const lines = load<usize>(unit, UNIT_LINE_CACHE);
  const end = first + (<usize>entries << STOP_LOG2);
  if (lines != 0) {
    for (let stop = first; stop < end; stop += 1 << STOP_LOG2) {
      const tag = tagOfLine(lines, load<u32>(stop, STOP_AT));
      if (tag == 0) return;
      store<u32>(stop, <u32>tag, STOP_LINE);
    }
  }
  store<u64>(memo, permissions, MEMO_PERMISSIONS);
  store<u8>(memo, <u8>level, MEMO_LEVEL);
  store<u8>(memo, <u8>entries, MEMO_ENTRIES);
  store<u8>(memo, <u8>reads, MEMO_READS);
  store<u32>(memo, <u32>at, MEMO_TABLE);
}

/** Where the line cache holds the tag of an entry's line, or 0. */
function tagOfLine(lines: usize, at: usize): usize {
  const set = lineSet(lines, at);
  for (let tag = set; tag < set + 32; tag += 4) if (load<u32>(tag) == <u32>(at >> 6)) return tag;
  return 0;
}
