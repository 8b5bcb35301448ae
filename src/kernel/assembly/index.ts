// What the kernel exports to TypeScript (kernel/kernel.ts declares it).

export { settleMisses } from './alike';
export { cacheAccess, cacheRemove } from './cache';
export { queuePages, queueProcess, queueWait } from './commands';
export { driverMap, driverUnmap } from './driver';
export { atsInvalidate, atsRespond, atsUnmapped, atsUses } from './engine';
export { engineFinish, engineNext, engineRun, engineSchedule, engineWake } from './engine';
export { histogramFlush, histogramRecord } from './histogram';
export { invalidateAll, invalidateDevice, invalidatePages, invalidatePasid, noteUnmapped } from './invalidate';
export { ptLookup, walkNestedRaw, walkRaw } from './walk';
export { lastMapped, ptCreate, ptDestroy, ptMap, ptMapSize, ptUnmap, ptUnmapSize } from './map';
export { translate } from './translate';
export { setTrace } from './state';

import { translatedPage } from './translate';
import { outFault, outPermissions, outSizeLog2, reads } from './state';

/** Results of the last call beside its return value. */
export function lastFault(): i32 {
  return outFault;
}
export function lastPage(): f64 {
  return <f64>translatedPage();
}
export function lastSizeLog2(): i32 {
  return outSizeLog2;
}
export function lastPermissions(): i32 {
  return outPermissions;
}
export function lastReads(): i32 {
  return reads;
}
