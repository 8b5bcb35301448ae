// Frames for tables: an arena hands out zeroed, naturally aligned pieces of one region. Memory that was never handed out is
// zero already, so only recycled frames are cleared; freed frames go to the list of their size and are never merged.

import {
  ARENA_ADDRESS, ARENA_BASE, ARENA_FREE, ARENA_FREE_LARGE, ARENA_LIMIT, ARENA_LIVE, ARENA_NEXT, ARENA_PEAK,
} from '../layout';

const FRAME_LOG2: i32 = 12;
const LARGEST_LOG2: i32 = 20; // 16 concatenated 64 KiB tables: the largest ARM stage-2 root

/** wasm offset of a zeroed frame of 2^sizeLog2 bytes (12..20), or 0 when the arena is full. */
export function takeFrame(arena: usize, sizeLog2: i32): usize {
  const list = freeList(arena, sizeLog2);
  let frame: usize = load<u32>(list);
  if (frame != 0) {
    store<u32>(list, load<u32>(frame));
    memory.fill(frame, 0, <usize>1 << sizeLog2);
  } else {
    frame = bump(arena, sizeLog2);
    if (frame == 0) return 0;
  }
  const live = load<i32>(arena, ARENA_LIVE) + (1 << (sizeLog2 - FRAME_LOG2));
  store<i32>(arena, live, ARENA_LIVE);
  if (live > load<i32>(arena, ARENA_PEAK)) store<i32>(arena, live, ARENA_PEAK);
  return frame;
}

export function giveFrame(arena: usize, frame: usize, sizeLog2: i32): void {
  pushFree(arena, frame, sizeLog2);
  store<i32>(arena, load<i32>(arena, ARENA_LIVE) - (1 << (sizeLog2 - FRAME_LOG2)), ARENA_LIVE);
}

function freeList(arena: usize, sizeLog2: i32): usize {
  return sizeLog2 == FRAME_LOG2 ? arena + ARENA_FREE : arena + ARENA_FREE_LARGE + ((sizeLog2 - FRAME_LOG2 - 1) << 2);
}

function pushFree(arena: usize, frame: usize, sizeLog2: i32): void {
  const list = freeList(arena, sizeLog2);
  store<u32>(frame, load<u32>(list));
  store<u32>(list, <u32>frame);
}

/** Alignment is of the address that hardware sees. The gap before a large frame becomes 4 KiB frames. */
function bump(arena: usize, sizeLog2: i32): usize {
  if (sizeLog2 > LARGEST_LOG2) return 0;
  const base = load<u32>(arena, ARENA_BASE);
  const next = load<u32>(arena, ARENA_NEXT);
  const address = load<u64>(arena, ARENA_ADDRESS) + (next - base);
  const size: u64 = <u64>1 << sizeLog2;
  const gap = (0 - address) & (size - 1);
  if (<u64>next + gap + size > <u64>load<u32>(arena, ARENA_LIMIT)) return 0;
  const frame = next + <u32>gap;
  for (let at = next; at < frame; at += 1 << FRAME_LOG2) pushFree(arena, at, FRAME_LOG2);
  store<u32>(arena, frame + <u32>size, ARENA_NEXT);
  return frame;
}
