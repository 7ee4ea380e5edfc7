/** Replays steps of the kernel recording through the service and the test device, and says what differs. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { createDmirror, type Dmirror } from '../../src/models/hmm/dmirror.ts';
import { ACCESS } from '../../src/replay/faults.ts';
import { createLinuxMm, type LinuxMm, type NotifierRange } from '../../src/replay/linux-mm.ts';
import { type PageMask, rangeMask } from '../../src/replay/mask.ts';
import { PlainCore } from '../replay/plain-core.ts';

export interface Step {
  o: string;
  d?: number;
  v?: number;
  p?: number;
  n?: number;
  t?: number;
  avail?: number;
  fails?: number;
  rc?: number;
  cp?: number;
  fl?: number;
  hr?: number;
  hf?: number;
  cf?: number;
  gf?: number;
  ms?: number;
  mr?: number;
  hs?: number;
  sp?: number;
  iv?: [string, number, number, number, number][];
  dl?: [number, number, number, string][];
}

export interface Sequence {
  id: string;
  cat: string;
  form?: number;
  vmas: [number, number, string][];
  s: Step[];
  pol?: 'A' | 'B';
  chunk?: number;
  svc?: number;
  sum: Record<string, number>;
  acc?: [string, number, number, number][];
}

export function readSequences(file: string): Sequence[] {
  const text = gunzipSync(readFileSync(new URL(`./data/${file}`, import.meta.url))).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Sequence);
}

const EVENT_LETTER = { unmap: 'U', clear: 'C', protectionVma: 'V', protectionPage: 'P', exclusive: 'X-' } as const;

/** First page of VMA `v`: `a` pages after a 2 MiB boundary, far from the others. */
const base = (sequence: Sequence, v: number): number => (v + 1) * 512 * 1024 + sequence.vmas[v][0];

export class KernelReplay {
  readonly plain = new PlainCore(2);
  readonly mm: LinuxMm;
  readonly device: Dmirror;
  /** Notifier calls of the running step: `type vma first pages` -> how many. */
  calls = new Map<string, number>();
  readonly #written = new Set<number>();
  readonly #sequence: Sequence;
  /** Before the next step. */
  #states: Map<number, string>;
  /** RAM pages still refused on return. */
  #refusals = 0;

  constructor(sequence: Sequence) {
    this.#sequence = sequence;
    const { core } = this.plain;
    this.device = createDmirror(core, () => this.mm);
    this.mm = createLinuxMm(core, {
      driver: {
        invalidate: (range) => this.#invalidate(range),
        migrateToRam: (page, device) => {
          const refused = this.#refusals > 0;
          if (refused) this.#refusals--;
          const allocate = (_block: number, pages: PageMask) => {
            if (refused) pages.fill(0);
          };
          // A refused page is VM_FAULT_OOM: the CPU retries the instruction and faults again.
          return this.mm.migrateToHost(device, page, page, { trigger: 'hostFault', allocate }) === 1 || refused;
        },
        pageFree: (device, block, pages) => this.device.pageFree(device, block, pages),
      },
      hugePages: (vma) => vma.allocation.name === 'thp',
      privateFile: (vma) => vma.allocation.name === 'pfile',
      isZeroFilled: (page) => !this.#written.has(page),
    });
    sequence.vmas.forEach(([, n, kind], v) => {
      if (kind === 'none') return;
      this.plain.addVma(base(sequence, v), n, kind === 'shm' || kind === 'pfile' ? 'file' : 'system', kind);
      if (kind === 'ro') this.mm.mprotect(base(sequence, v), base(sequence, v) + n - 1, 'read');
    });
    this.#states = this.states();
  }

  #invalidate(range: NotifierRange): number {
    const type = range.event === 'migrate' ? `M${range.owner - 1}` : EVENT_LETTER[range.event];
    this.#count(type, range.firstPage, range.lastPage - range.firstPage + 1, 1);
    return this.device.invalidate(range);
  }

  #count(type: string, page: number, pages: number, times: number): void {
    const key = `${type} ${page} ${pages}`;
    this.calls.set(key, (this.calls.get(key) ?? 0) + times);
  }

  /** Letter of the page's state, as the recording writes it. */
  letter(page: number): string {
    const { state, writable, huge, denied, device } = this.mm.entry(page);
    if (state === 'unmapped') return '-';
    if (denied) return state === 'device' ? 'pq'[device - 1] : state === 'none' ? '-' : 'n';
    if (state === 'none') return '.';
    if (state === 'zero') return huge ? 'Z' : 'z';
    if (state === 'device') return (writable ? '01' : 'ab')[device - 1];
    if (state === 'exclusive') return 'x';
    if (state === 'file') return writable ? 'F' : 'f';
    if (huge) return writable ? 'T' : 't';
    return writable ? 'S' : 's';
  }

  states(): Map<number, string> {
    const all = new Map<number, string>();
    this.#sequence.vmas.forEach(([, n], v) => {
      const first = base(this.#sequence, v);
      for (let page = first; page < first + n; page++) all.set(page, this.letter(page));
    });
    return all;
  }

  /** What the step does not reproduce, as text; empty = the same. */
  step(step: Step): string[] {
    const before = this.#states;
    const was = structuredClone(this.mm.counters);
    this.calls = new Map();
    const got = this.#run(step);
    const now = this.mm.counters;
    const made: Record<string, number> = {
      cf: now.faults.cpu - was.faults.cpu,
      gf: now.faults.kernel - was.faults.kernel,
      hf: now.faults.device - was.faults.device,
      hr: now.rangeFaults - was.rangeFaults,
      ms: now.cyclesToDevice - was.cyclesToDevice,
      mr: now.cyclesToHost - was.cyclesToHost,
      hs: now.hugePagesSplit - was.hugePagesSplit,
      sp: now.hugeEntriesSplit - was.hugeEntriesSplit,
      fl: got.fl,
      rc: got.rc,
    };
    const wrong: string[] = [];
    for (const key of Object.keys(made) as (keyof Step & string)[]) {
      if (key === 'rc' && step.avail !== undefined) continue;
      const expected = (step[key] as number | undefined) ?? 0;
      if (made[key] !== expected) wrong.push(`${key} ${made[key]} instead of ${expected}`);
    }
    this.#compareCalls(step, wrong);
    this.#compareStates(step, before, wrong);
    return wrong;
  }

  #compareCalls(step: Step, wrong: string[]): void {
    const made = this.calls;
    this.calls = new Map();
    for (const [type, v, p, n, count] of step.iv ?? []) {
      for (let i = 0; i < count; i++) this.#count(type, base(this.#sequence, v) + p + i * n, n, 1);
    }
    for (const key of new Set([...made.keys(), ...this.calls.keys()])) {
      const a = made.get(key) ?? 0;
      const b = this.calls.get(key) ?? 0;
      if (a !== b && wrong.length < 12) wrong.push(`call ${key}: ${a} instead of ${b}`);
    }
  }

  #compareStates(step: Step, before: Map<number, string>, wrong: string[]): void {
    const expected = new Map(before);
    for (const [v, p, n, change] of step.dl ?? []) {
      for (let page = base(this.#sequence, v) + p, i = 0; i < n; i++, page++) {
        if (before.get(page) !== change[0]) wrong.push(`page ${p + i} was ${before.get(page)} instead of ${change[0]}`);
        expected.set(page, change[1]);
      }
    }
    this.#states = this.states();
    for (const [page, letter] of this.#states) {
      if (letter !== expected.get(page) && wrong.length < 12) {
        wrong.push(
          `page ${page % 512}: ${before.get(page)}${letter} instead of ${before.get(page)}${expected.get(page)}`,
        );
      }
    }
  }

  #run(step: Step): { rc: number; fl: number } {
    const first = base(this.#sequence, step.v ?? 0) + (step.p ?? 0);
    const last = first + (step.n ?? 1) - 1;
    const device = (step.d ?? 0) + 1;
    const none = { rc: 0, fl: 0 };
    switch (step.o) {
      case 'cr':
      case 'cw':
        for (let page = first; page <= last; page++) this.#cpu(page, step.o === 'cw', step.fails);
        return none;
      case 'cr-':
      case 'cw-':
        for (let page = last; page >= first; page--) this.#cpu(page, step.o === 'cw-', step.fails);
        return none;
      case 'dr':
      case 'dw': {
        const write = step.o === 'dw';
        const { errno, faulted } = this.device.access(device, first, last, write);
        if (write) for (let page = first; page <= last; page++) if (errno === 0) this.#written.add(page);
        return { rc: errno, fl: faulted ? 1 : 0 };
      }
      case 'md':
        return { rc: this.device.toDevice(device, first, last, 'hint', step.avail), fl: 0 };
      case 'ms':
        return { rc: this.device.toHost(device, first, last, 'hint'), fl: 0 };
      case 'dn':
        this.mm.dontNeed(first, last);
        for (let page = first; page <= last; page++) this.#written.delete(page);
        return none;
      case 'mpr':
      case 'mprw':
      case 'mpn':
        this.mm.mprotect(first, last, step.o === 'mpr' ? 'read' : step.o === 'mprw' ? 'write' : 'none');
        return none;
      case 'un':
        this.mm.munmap(first, last);
        this.plain.removeVma(first, last);
        return none;
      case 'mm':
        this.plain.addVma(first, last - first + 1, 'system', 'anon');
        this.plain.mergeVmas();
        return none;
      case 'ml':
        this.mm.lock(first, last);
        return none;
      case 'mu':
        this.mm.unlock(first, last);
        return none;
      case 'popr':
      case 'popw':
        this.mm.populate(first, last, step.o === 'popw');
        return none;
      case 'kr':
      case 'kw':
        this.mm.populate(first, last, step.o === 'kw');
        return none;
      case 'pin':
        this.mm.pin(first, last);
        return none;
      case 'unpin':
        this.#sequence.vmas.forEach(([, n], v) => {
          this.mm.unpin(base(this.#sequence, v), base(this.#sequence, v) + n - 1);
        });
        return none;
      case 'col':
        return { rc: this.mm.collapse(first, last) ? 0 : 22, fl: 0 };
      case 'ex':
        this.device.exclusive(device, first, last);
        return none;
      case 'rel':
        this.#sequence.vmas.forEach(([, n], v) => {
          const vmaFirst = base(this.#sequence, v);
          for (let block = Math.floor(vmaFirst / 512); block <= Math.floor((vmaFirst + n - 1) / 512); block++) {
            this.mm.migrateDevicePages(device, block, rangeMask(0, 511), 'eviction');
          }
        });
        return none;
      case 'fr':
        this.mm.invalidate('clear', first, last);
        return none;
      case 'cold':
      case 'pageout':
      case 'compact':
        return none;
      default:
        throw new Error(`step ${step.o} is unknown`);
    }
  }

  /** One word read or written by CPU code. */
  #cpu(page: number, write: boolean, fails = 0): void {
    this.#refusals = fails;
    const needed = write ? 2 : 1;
    for (let round = 0; round < 1000 && this.plain.mapping(0, page) < needed; round++) {
      if (this.mm.hostFault(page, write ? ACCESS.write : ACCESS.read) === 'failed') return;
    }
    if (write) this.#written.add(page);
  }
}

/** Replays a sequence up to its first difference. */
export function replaySequence(sequence: Sequence): string[] {
  const replay = new KernelReplay(sequence);
  for (let i = 0; i < sequence.s.length; i++) {
    const wrong = replay.step(sequence.s[i]);
    if (wrong.length > 0) return wrong.map((text) => `${sequence.id} step ${i} ${sequence.s[i].o}: ${text}`);
  }
  return [];
}
