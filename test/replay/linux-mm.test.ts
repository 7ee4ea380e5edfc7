/** What the recording of the kernel does not show: windows, costs, kinds of memory, and the calls that drivers make. */

import { describe, expect, it } from 'vitest';
import { ACCESS, FaultBuffer } from '../../src/replay/faults.ts';
import { createLinuxMm, type LinuxMm, type LinuxMmOptions, type NotifierRange } from '../../src/replay/linux-mm.ts';
import { countPages, newMask, rangeMask, releaseScratch, scratchMark } from '../../src/replay/mask.ts';
import { HOST } from '../../src/replay/model.ts';
import { PlainCore } from './plain-core.ts';

interface Setup {
  plain: PlainCore;
  mm: LinuxMm;
  /** `event first..last owner` of every notification. */
  told: string[];
}

function setup(options: Partial<LinuxMmOptions> = {}, host = { pageBytes: 4096, zeroPage: false }): Setup {
  const plain = new PlainCore(2, host);
  const told: string[] = [];
  const invalidate = ({ event, firstPage, lastPage, owner }: NotifierRange): number => {
    told.push(`${event} ${firstPage}..${lastPage} ${owner}`);
    return 1;
  };
  const mm = createLinuxMm(plain.core, { driver: { invalidate }, ...options });
  return { plain, mm, told };
}

const resident = (plain: PlainCore, at: number, block: number): number =>
  countPages(plain.residentMask(at, block, newMask()));

const fill = (mm: LinuxMm, first: number, last: number): void => {
  for (let page = first; page <= last; page++) mm.hostFault(page, ACCESS.write);
};

describe('first touch', () => {
  it('fills the aligned window, clipped to the VMA', () => {
    // 64 KiB = 16 pages. VMA 1034..1099; page 1036 lies in window 1024..1039, of which 1034..1039 are in the VMA: 6 pages.
    const { plain, mm } = setup({}, { pageBytes: 65_536, zeroPage: false });
    plain.addVma(1034, 66);
    expect(mm.hostFault(1036, ACCESS.read)).toBe('retry');
    expect(resident(plain, HOST, 2)).toBe(6);
    // 1040 has the whole window 1040..1055: 16 more.
    mm.hostFault(1040, ACCESS.write);
    expect(resident(plain, HOST, 2)).toBe(22);
    expect(plain.mapping(HOST, 1055)).toBeGreaterThan(0);
    expect(plain.mapping(HOST, 1056)).toBe(0);
  });

  it('leaves alone what the window already holds', () => {
    const { plain, mm } = setup({}, { pageBytes: 65_536, zeroPage: false });
    plain.addVma(1024, 32);
    mm.migrateToDevice(1, 1030, 1031, { trigger: 'hint' });
    mm.hostFault(1024, ACCESS.read);
    // 16 pages less the 2 on the device.
    expect(resident(plain, HOST, 2)).toBe(14);
    expect(resident(plain, 1, 2)).toBe(2);
  });

  it('makes a huge page of a full 2 MiB window only', () => {
    const { plain, mm } = setup({}, { pageBytes: 2 ** 21, zeroPage: false });
    plain.addVma(512, 512);
    plain.addVma(1024, 100);
    mm.hostFault(600, ACCESS.write);
    mm.hostFault(1024, ACCESS.write);
    expect(mm.mapOrder(512)).toBe(9);
    expect(mm.mapOrder(1024)).toBe(0);
    expect(resident(plain, HOST, 2)).toBe(100);
  });

  it('maps the zero page for a read when asked to', () => {
    const { plain, mm, told } = setup({}, { pageBytes: 4096, zeroPage: true });
    plain.addVma(512, 4);
    mm.hostFault(512, ACCESS.read);
    expect(mm.entry(512).state).toBe('zero');
    expect(told).toEqual([]);
    mm.hostFault(512, ACCESS.write);
    expect(mm.entry(512)).toMatchObject({ state: 'ram', writable: true });
    expect(told).toEqual(['clear 512..512 -1']);
    // A write straight away needs no notification.
    mm.hostFault(513, ACCESS.write);
    expect(told).toHaveLength(1);
  });

  it('fails outside every VMA', () => {
    const { mm } = setup();
    expect(mm.hostFault(99, ACCESS.read)).toBe('failed');
  });
});

describe('migration', () => {
  it('notifies per cycle, and again from the first hole to the end', () => {
    const { plain, mm, told } = setup();
    plain.addVma(512, 200);
    fill(mm, 512, 600);
    // Cycles of 128: 512..639 and 640..711. RAM is 512..600, so the holes of the first begin at 601, of the second at 640.
    expect(mm.migrateToDevice(1, 512, 711, { trigger: 'hint', batchPages: 128 })).toBe(200);
    expect(told).toEqual(['migrate 512..639 1', 'migrate 601..639 1', 'migrate 640..711 1', 'migrate 640..711 1']);
    expect(plain.counts).toMatchObject({ 'move.h2d': 89, 'populate.device': 111, 'notifier.invalidations': 4 });
  });

  it('moves what allocate leaves, and puts the rest back', () => {
    const { plain, mm } = setup();
    plain.addVma(512, 8);
    fill(mm, 512, 519);
    const moved = mm.migrateToDevice(1, 512, 519, {
      trigger: 'hint',
      allocate: (_block, pages) => {
        pages.fill(0);
        pages[0] = 0b1111;
      },
    });
    expect(moved).toBe(4);
    expect(mm.entry(515)).toMatchObject({ state: 'device', device: 1, writable: true });
    expect(mm.entry(516)).toMatchObject({ state: 'ram', writable: true });
  });

  it('takes neither pinned, file, device nor foreign pages', () => {
    const { plain, mm } = setup();
    plain.addVma(512, 8);
    plain.addVma(1024, 8, 'file');
    plain.addVma(1536, 8, 'pinned');
    for (const first of [512, 1024, 1536]) fill(mm, first, first + 7);
    mm.pin(512, 513);
    mm.migrateToDevice(2, 514, 514, { trigger: 'hint' });
    // 8 pages less 2 pinned and 1 on the other device.
    expect(mm.migrateToDevice(1, 512, 519, { trigger: 'hint' })).toBe(5);
    expect(mm.migrateToDevice(1, 1024, 1031, { trigger: 'hint' })).toBe(0);
    expect(mm.migrateToDevice(1, 1536, 1543, { trigger: 'hint' })).toBe(0);
    mm.unpin(512, 513);
    expect(mm.migrateToDevice(1, 512, 519, { trigger: 'hint' })).toBe(2);
  });

  it('brings back one page for a CPU fault unless the driver does it', () => {
    const homes: string[] = [];
    const own = setup({
      driver: {
        migrateToRam: (page, device, cause) => {
          homes.push(`${page} ${device} ${cause}`);
          return own.mm.migrateToHost(device, 512, 519, { trigger: 'hostFault' }) > 0;
        },
      },
    });
    for (const { plain, mm } of [setup(), own]) {
      plain.addVma(512, 8);
      mm.migrateToDevice(1, 512, 519, { trigger: 'hint' });
      mm.hostFault(514, ACCESS.read);
      expect(resident(plain, HOST, 1)).toBe(mm === own.mm ? 8 : 1);
    }
    expect(homes).toEqual(['514 1 cpu']);
  });

  it('evicts by page frame: one clear a page', () => {
    const { plain, mm, told } = setup();
    plain.addVma(512, 8);
    mm.migrateToDevice(1, 512, 515, { trigger: 'hint' });
    told.length = 0;
    expect(mm.migrateDevicePages(1, 1, rangeMask(0, 511), 'eviction')).toBe(4);
    expect(told).toEqual([512, 513, 514, 515].map((page) => `clear ${page}..${page} -1`));
    expect(plain.counts['by.eviction']).toBe(4);
  });

  it('lets a driver say at once what the notifications of an eviction do', () => {
    const asked: string[] = [];
    const { plain, mm } = setup({
      driver: {
        invalidate: () => 0,
        invalidateEach: (block, pages) => {
          asked.push(`${block} ${countPages(pages)}`);
          return 2 * countPages(pages);
        },
      },
    });
    plain.addVma(512, 512);
    mm.migrateToDevice(1, 512, 515, { trigger: 'hint' });
    mm.migrateDevicePages(1, 1, rangeMask(0, 511), 'eviction');
    expect(asked).toEqual(['1 4']);
    // 4 pages, two callbacks each.
    expect(plain.counts['notifier.invalidations']).toBe(8);
  });

  it('gives back every scratch mask, whatever it is asked', () => {
    const { plain, mm } = setup({}, { pageBytes: 65_536, zeroPage: false });
    plain.addVma(512, 2048);
    const mark = scratchMark();
    fill(mm, 512, 600);
    releaseScratch(mark);
    mm.migrateToDevice(1, 600, 2000, { trigger: 'hint', batchPages: 64 });
    mm.rangeFault({ firstPage: 512, lastPage: 2100, device: 2, write: true, sequence: () => 0 });
    mm.migrateToDevice(1, 512, 1023, { trigger: 'hint' });
    mm.migrateDevicePages(1, 1, rangeMask(0, 511), 'eviction');
    mm.migrateDevicePages(1, 1, rangeMask(0, 511), 'eviction');
    mm.migrateToDevice(1, 512, 1023, { trigger: 'hint' });
    mm.migrateToHost(1, 512, 2559, { trigger: 'hint' });
    mm.munmap(512, 2559);
    expect(scratchMark()).toBe(mark);
  });

  it('moves a huge page whole only where the kernel can', () => {
    for (const hugeMigration of [false, true]) {
      const costs = { migratePageNs: 10, migrateCycleNs: 1000, migrateHugeNs: 70 };
      const { plain, mm, told } = setup({ hugeMigration, costs }, { pageBytes: 2 ** 21, zeroPage: false });
      plain.addVma(512, 512);
      mm.hostFault(512, ACCESS.write);
      told.length = 0;
      expect(mm.migrateToDevice(1, 512, 1023, { trigger: 'hint' })).toBe(512);
      // Split: its entry and the page itself, a clear each, after the notification of the cycle.
      const split = hugeMigration ? [] : ['clear 512..1023 -1', 'clear 512..1023 -1'];
      expect(told).toEqual(['migrate 512..1023 1', ...split]);
      expect(plain.spentNs).toBe(1000 + (hugeMigration ? 70 : 5120));
      expect(mm.mapOrder(512)).toBe(hugeMigration ? 9 : 0);
    }
  });
});

describe('hmm_range_fault', () => {
  const request = (device: number, first: number, last: number, write = false) => ({
    firstPage: first,
    lastPage: last,
    device,
    write,
    sequence: () => 0,
  });

  it('faults everything behind the first page that does not serve', () => {
    const { plain, mm } = setup();
    plain.addVma(512, 8);
    mm.migrateToDevice(1, 512, 513, { trigger: 'hint' });
    mm.migrateToDevice(1, 515, 516, { trigger: 'hint' });
    // 514 is a hole: 514..519 get a fault each, so 515 and 516 come home; 512 and 513 in front stay.
    expect(mm.rangeFault(request(1, 512, 519))).toBe('valid');
    expect(mm.counters.faults.device).toBe(6);
    expect(resident(plain, 1, 1)).toBe(2);
    expect(resident(plain, HOST, 1)).toBe(6);
  });

  it('brings pages of others home, also all for nobody', () => {
    const { plain, mm } = setup();
    plain.addVma(512, 4);
    mm.migrateToDevice(1, 512, 515, { trigger: 'hint' });
    expect(mm.rangeFault(request(1, 512, 515))).toBe('valid');
    expect(resident(plain, 1, 1)).toBe(4);
    expect(mm.rangeFault(request(2, 512, 513))).toBe('valid');
    expect(resident(plain, HOST, 1)).toBe(2);
    expect(mm.rangeFault(request(-1, 512, 515))).toBe('valid');
    expect(resident(plain, HOST, 1)).toBe(4);
  });

  it('is busy when the sequence moved, denied or faulty where nothing may be', () => {
    let sequence = 0;
    const { plain, mm } = setup({
      driver: {
        invalidate: () => {
          sequence++;
          return 1;
        },
      },
    });
    plain.addVma(512, 4);
    mm.migrateToDevice(1, 512, 512, { trigger: 'hint' });
    const moving = { ...request(2, 512, 512), sequence: () => sequence };
    expect(mm.rangeFault(moving)).toBe('busy');
    expect(mm.rangeFault(moving)).toBe('valid');
    expect(mm.rangeFault(request(1, 600, 600))).toBe('fault');
    mm.mprotect(512, 515, 'read');
    expect(mm.rangeFault(request(1, 512, 512))).toBe('valid');
    expect(mm.rangeFault(request(1, 512, 512, true))).toBe('denied');
    mm.mprotect(512, 515, 'none');
    expect(mm.rangeFault(request(1, 512, 512))).toBe('fault');
  });

  it('gives up on a page that its driver does not bring home', () => {
    const { plain, mm } = setup({ driver: { migrateToRam: () => true } });
    plain.addVma(512, 4);
    mm.migrateToDevice(1, 512, 515, { trigger: 'hint' });
    expect(mm.rangeFault(request(2, 512, 515))).toBe('fault');
  });

  it('makes a page that comes home read-only writable', () => {
    const { plain, mm } = setup();
    plain.addVma(512, 4);
    fill(mm, 512, 512);
    mm.mprotect(512, 515, 'read');
    mm.migrateToDevice(1, 512, 512, { trigger: 'hint' });
    mm.mprotect(512, 515, 'write');
    // One fault to come home, one for the permission.
    expect(mm.rangeFault(request(2, 512, 512, true))).toBe('valid');
    expect(mm.counters.faults.device).toBe(2);
  });

  it('costs a call and each entry looked up', () => {
    const costs = { rangeFaultNs: 100, rangeFaultEntryNs: 3, faultNs: 7 };
    const { plain, mm } = setup({ costs });
    plain.addVma(512, 4);
    mm.rangeFault(request(1, 512, 515));
    expect(plain.spentNs).toBe(100 + 4 * 3 + 4 * 7);
  });

  it('serves many faults at the price of a call and an entry each', () => {
    const { plain, mm } = setup({ costs: { rangeFaultNs: 100, rangeFaultEntryNs: 3 } });
    const faults = new FaultBuffer();
    faults.count = 5;
    expect(mm.rangeFaults(2, faults)).toBe(5);
    expect(plain.counts['mirror.2']).toBe(5);
    expect(mm.counters.rangeFaults).toBe(5);
    expect(plain.spentNs).toBe(5 * 103);
  });

  it('looks at faults one by one while a VMA is denied or an entry is huge', () => {
    const { plain, mm } = setup({}, { pageBytes: 2 ** 21, zeroPage: false });
    plain.addVma(512, 512);
    plain.addVma(2048, 4);
    const faults = new FaultBuffer();
    faults.count = 5;
    mm.mprotect(2048, 2051, 'none');
    expect(mm.rangeFaults(1, faults)).toBe(0);
    mm.mprotect(2048, 2051, 'write');
    expect(mm.rangeFaults(1, faults)).toBe(5);
    mm.hostFault(512, ACCESS.write);
    expect(mm.rangeFaults(1, faults)).toBe(0);
    expect(mm.counters.rangeFaults).toBe(5);
  });
});

describe('system calls', () => {
  it('munmap frees device pages in place and forgets what it knew', () => {
    const freed: string[] = [];
    const { plain, mm } = setup({
      driver: { pageFree: (device, block, pages) => freed.push(`${device} ${block} ${countPages(pages)}`) },
    });
    plain.addVma(512, 8);
    mm.mprotect(512, 519, 'read');
    mm.migrateToDevice(1, 512, 519, { trigger: 'hint' });
    expect(mm.entry(512)).toMatchObject({ state: 'device', writable: false });
    mm.munmap(512, 515);
    expect(freed).toEqual(['1 1 4']);
    expect(plain.counts['move.d2h']).toBeUndefined();
    // New memory at the old address is writable again.
    mm.migrateToDevice(1, 512, 512, { trigger: 'hint' });
    expect(mm.entry(512)).toMatchObject({ state: 'device', writable: true });
  });

  it('takes RAM pages from the CPU for exclusive use', () => {
    const { plain, mm, told } = setup();
    plain.addVma(512, 2);
    fill(mm, 512, 512);
    expect(mm.makeExclusive(512, 512)).toBe(1);
    expect(mm.entry(512).state).toBe('exclusive');
    expect(mm.migrateToDevice(1, 512, 512, { trigger: 'hint' })).toBe(0);
    mm.hostFault(512, ACCESS.read);
    expect(mm.entry(512)).toMatchObject({ state: 'ram', writable: true });
    expect(told.filter((text) => text.startsWith('exclusive'))).toHaveLength(2);
  });
});
