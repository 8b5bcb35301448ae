/**
 * A domain's page table as one unit has it. A domain with devices behind several units has a table behind each of them: a
 * unit's own changes are there at once, those of others at the end of the time step, in one order for all; so all tables
 * of a domain say the same then, and none is written while another thread reads it.
 *
 * An AMD v1 table gains levels as higher IOVAs are mapped: the device-table entries are then written anew and dropped from their
 * cache (Linux: amd_iommu_domain_update, increase_address_space). The page-walk caches stay valid.
 */
import type { DomainTable } from '../driver/domain.ts';
import type { ReadableTable } from '../driver/viommu/shadowing.ts';
import type { PageTable } from '../iommu/page-table.ts';
import { type Mail, MAIL_A, MAIL_B, MAIL_C, MAIL_D, MAIL_KIND, MAIL_MAP, MAIL_UNMAP, type Outbox } from './mail.ts';

/** Where a domain's changes are posted, and the time that they have. */
export interface Sharing {
  readonly outbox: Outbox;
  readonly domain: number;
  nowPs(): number;
}

export class UnitDomainTable implements DomainTable, ReadableTable {
  readonly pages: PageTable;
  private readonly sharing: Sharing | undefined;
  private readonly grown: () => void;
  private levels: number;

  /** `grown` runs after the table has gained levels. */
  constructor(pages: PageTable, grown: () => void, sharing?: Sharing) {
    this.pages = pages;
    this.grown = grown;
    this.sharing = sharing;
    this.levels = pages.levels;
  }

  map(iovaPage: number, physicalPage: number, pages: number, prot: number): number {
    const error = this.mapHere(iovaPage, physicalPage, pages, prot);
    if (error === 0) this.post(MAIL_MAP, iovaPage, physicalPage, pages, prot);
    return error;
  }

  unmap(iovaPage: number, pages: number): number {
    const unmapped = this.pages.unmap(iovaPage, pages);
    this.post(MAIL_UNMAP, iovaPage, pages, 0, 0);
    return unmapped;
  }

  get freedTables(): number {
    return this.pages.freedTables;
  }

  lookup(page: number): number {
    return this.pages.lookup(page);
  }

  get lastPermissions(): number {
    return this.pages.lastPermissions;
  }

  /** What another unit has done to the domain. */
  apply(mail: Mail, message: number): void {
    const a = mail.at(message, MAIL_A);
    const b = mail.at(message, MAIL_B);
    if (mail.at(message, MAIL_KIND) === MAIL_UNMAP) this.pages.unmap(a, b);
    else this.mapHere(a, b, mail.at(message, MAIL_C), mail.at(message, MAIL_D));
  }

  private mapHere(iovaPage: number, physicalPage: number, pages: number, prot: number): number {
    const error = this.pages.map(iovaPage, physicalPage, pages, prot);
    this.settle();
    return error;
  }

  settle(): void {
    if (this.pages.levels === this.levels) return;
    this.levels = this.pages.levels;
    this.grown();
  }

  private post(kind: number, a: number, b: number, c: number, d: number): void {
    if (this.sharing === undefined) return;
    const nowPs = this.sharing.nowPs();
    this.sharing.outbox.post(nowPs, kind, -1, this.sharing.domain, a, b, c, d, nowPs);
  }
}
