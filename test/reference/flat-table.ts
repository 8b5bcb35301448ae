/** A page table as a plain map from page to page, with the interface that a DMA domain needs. */
export interface FlatMapping {
  readonly physicalPage: number;
  readonly prot: number;
}

export class FlatTable {
  readonly pages = new Map<number, FlatMapping>();
  freedTables = 0;
  /** Pages that the table can hold; more is -ENOMEM. */
  capacity = Infinity;

  map(iovaPage: number, physicalPage: number, pages: number, prot: number): number {
    if (this.pages.size + pages > this.capacity) return -12;
    for (let i = 0; i < pages; i++) if (this.pages.has(iovaPage + i)) return -17;
    for (let i = 0; i < pages; i++) this.pages.set(iovaPage + i, { physicalPage: physicalPage + i, prot });
    return 0;
  }

  unmap(iovaPage: number, pages: number): number {
    let unmapped = 0;
    for (let i = 0; i < pages; i++) if (this.pages.delete(iovaPage + i)) unmapped++;
    return unmapped;
  }
}
