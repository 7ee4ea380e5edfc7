/** A range of addresses, in pages and bytes. */

import { PAGE_BYTES } from '../replay/mask.ts';
import { ADDRESS_PAGES, hexAddress } from './numbers.ts';

export class Range {
  firstPage = 0;
  lastPage = 0;
  offsetBytes = 0;
  sizeBytes = 0;

  /** From an address and a length, each as pages and rest. False when it leaves the address space. */
  set(page: number, offset: number, sizePages: number, sizeRest: number): boolean {
    this.firstPage = page;
    this.offsetBytes = offset;
    this.sizeBytes = sizePages * PAGE_BYTES + sizeRest;
    this.lastPage = page + sizePages + Math.floor((offset + sizeRest - 1) / PAGE_BYTES);
    return page < ADDRESS_PAGES && this.lastPage < ADDRESS_PAGES;
  }

  toString(): string {
    return `${hexAddress(this.firstPage, this.offsetBytes)}+${this.sizeBytes}`;
  }
}
