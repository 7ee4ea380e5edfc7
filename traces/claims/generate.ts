/**
 * Writes the small traces of the claims of the GMEM debate (`docs/claims.md`). Nothing is random: same program, same
 * bytes. `npx tsx traces/claims/generate.ts`
 */
import { writeFileSync } from 'node:fs';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

const KIB = 1024;
const PAGE = 4 * KIB;
const BLOCK = 2 * KIB * KIB;
const BASE = 0x40_0000_0000;
/** Rounds are further apart than the time windows of the stacks: thrashing detection, the window after a repair. */
const MS = 1_000_000;
const APART = 100 * MS;

export const DENSITIES = ['64B', '4KiB', '64KiB', '512KiB', '2MiB'] as const;
export const REUSES = [4, 16, 64] as const;
export const EVENTS = ['cputouch', 'free', 'dontneed', 'numa', 'compaction', 'mprotect', 'hostio'] as const;
export const HINTS = ['none', 'prefetch', 'preferred-cpu', 'accessed-by', 'read-mostly'] as const;
export const PREFETCH_MIB = [2, 4, 8, 16, 32, 64] as const;

type Row = readonly [timeNs: number, actor: string, op: string, address: number, size: number, arg?: string];

const hex = (address: number): string => `0x${address.toString(16)}`;

function trace(title: string, shows: string, rows: readonly Row[]): string {
  const lines = rows.map(([timeNs, actor, op, address, size, arg = '']) =>
    [timeNs, actor, op, address === 0 ? 0 : hex(address), size, arg].join(','),
  );
  return [
    `# title: ${title}`,
    `# shows: ${shows}`,
    '# time: invented, only to keep the steps apart',
    'time_ns,actor,op,addr,size,arg',
    ...lines,
    '',
  ].join('\n');
}

/** Every page read, then every page written, one access a page. */
function readThenWrite(): string {
  const pages = (op: string, timeNs: number): Row[] =>
    Array.from({ length: 1024 }, (_, i) => [timeNs, 'gpu0', op, BASE + i * PAGE, PAGE]);
  return trace(
    'Read all, then write all',
    'whether the first write to a page that was read first costs a fault of its own',
    [[0, 'cpu', 'alloc', BASE, 2 * BLOCK, 'data'], ...pages('read', APART), ...pages('write', 2 * APART)],
  );
}

/** Pages of a block that are used at this density, and bytes of each. */
function useOf(density: string): { pages: number; bytes: number } {
  if (density === '64B') return { pages: 1, bytes: 64 };
  const bytes = Number.parseInt(density, 10) * (density.endsWith('MiB') ? KIB * KIB : KIB);
  return { pages: bytes / PAGE, bytes: PAGE };
}

const BLOCKS = 4;

/** The device reads a part of every 2 MiB that the host wrote, evenly spread over its pages, `passes` times. */
function density(use: string, passes: number, kind: string): string {
  const { pages, bytes } = useOf(use);
  const rows: Row[] = [
    [0, 'cpu', 'alloc', BASE, BLOCKS * BLOCK, `data;kind=${kind}`],
    [APART, 'cpu', 'write', BASE, BLOCKS * BLOCK],
  ];
  for (let pass = 0; pass < passes; pass++) {
    for (let block = 0; block < BLOCKS; block++) {
      const from = BASE + block * BLOCK;
      if (pages === 512) rows.push([2 * APART, 'gpu0', 'read', from, BLOCK]);
      else for (let i = 0; i < pages; i++) rows.push([2 * APART, 'gpu0', 'read', from + i * (BLOCK / pages), bytes]);
    }
  }
  const often = passes === 1 ? '' : `, ${passes} times`;
  return trace(
    `${use} of each 2 MiB${often}, ${kind} memory`,
    'what is moved, and how long it takes, for what is used',
    rows,
  );
}

/** Direct I/O of one page in each 2 MiB while the data is on the device. */
function fileIo(): string {
  const rows: Row[] = [
    [0, 'cpu', 'alloc', BASE, BLOCKS * BLOCK, 'data'],
    [APART, 'gpu0', 'write', BASE, BLOCKS * BLOCK],
  ];
  for (let block = 0; block < BLOCKS; block++)
    rows.push([(2 + block) * APART, 'cpu', 'invalidate', BASE + block * BLOCK, PAGE, 'hostio']);
  rows.push([20 * APART, 'gpu0', 'read', BASE, BLOCKS * BLOCK]);
  return trace('Direct I/O on device data', 'what comes home for I/O on one page of each 2 MiB, and goes back', rows);
}

/** One event of core MM on memory that the device has mapped, over whole 2 MiB or over its first page. */
function event(sort: string, size: number): string {
  const rows: Row[] = [
    [0, 'cpu', 'alloc', BASE, 4 * BLOCK, 'data'],
    [APART, 'cpu', 'write', BASE, 4 * BLOCK],
    [2 * APART, 'gpu0', 'read', BASE, 4 * BLOCK],
  ];
  for (let block = 0; block < 4; block++) {
    const timeNs = (3 + block) * APART;
    const at = BASE + block * BLOCK;
    if (sort === 'none') break;
    if (sort === 'cputouch') rows.push([timeNs, 'cpu', 'write', at, size]);
    else if (sort === 'free') rows.push([timeNs, 'cpu', 'free', at, size]);
    else if (sort === 'dontneed') rows.push([timeNs, 'cpu', 'advise', at, size, sort]);
    else rows.push([timeNs, 'cpu', 'invalidate', at, size, sort]);
  }
  const what = size === BLOCK ? 'whole 2 MiB' : 'one 4 KiB page of 2 MiB';
  return trace(`Four events, ${sort}, ${what}`, 'how often a driver is told to let go of a range', rows);
}

/** A hint once, then five rounds of host and device on the same 2 MiB. */
function hint(sort: string): string {
  const rows: Row[] = [
    [0, 'cpu', 'alloc', BASE, BLOCK, 'data'],
    [APART, 'cpu', 'write', BASE, BLOCK],
  ];
  const timeNs = 2 * APART;
  if (sort === 'prefetch') rows.push([timeNs, 'cpu', 'prefetch', BASE, BLOCK, 'gpu0']);
  if (sort === 'preferred-cpu') rows.push([timeNs, 'cpu', 'advise', BASE, BLOCK, 'preferred:cpu']);
  if (sort === 'accessed-by') rows.push([timeNs, 'cpu', 'advise', BASE, BLOCK, 'accessed_by:gpu0']);
  if (sort === 'read-mostly') rows.push([timeNs, 'cpu', 'advise', BASE, BLOCK, 'read_mostly']);
  for (let round = 0; round < 5; round++) {
    rows.push([(3 + 2 * round) * APART, 'gpu0', 'read', BASE, BLOCK]);
    rows.push([(4 + 2 * round) * APART, 'cpu', 'read', BASE, BLOCK]);
  }
  return trace(`Five rounds after one hint: ${sort}`, 'whether a hint still acts after it was first used', rows);
}

/** A process without any device: 32 MiB, of each 2 MiB all or 16 pages. */
function hostOnly(kind: string, dense: boolean): string {
  const rows: Row[] = [[0, 'cpu', 'alloc', BASE, 16 * BLOCK, `data;kind=${kind}`]];
  if (dense) rows.push([APART, 'cpu', 'write', BASE, 16 * BLOCK]);
  else for (let i = 0; i < 256; i++) rows.push([APART, 'cpu', 'write', BASE + i * 32 * PAGE, PAGE]);
  rows.push([2 * APART, 'cpu', 'free', BASE, 16 * BLOCK]);
  return trace(
    `Host only, ${kind} memory, ${dense ? 'every page' : '16 pages of each 2 MiB'}`,
    'what memory costs a process that uses no device',
    rows,
  );
}

/** One page of each 2 MiB written by the host, then by the device. */
function sparse(): string {
  const rows: Row[] = [[0, 'cpu', 'alloc', BASE, 32 * BLOCK, 'data']];
  for (let block = 0; block < 32; block++) rows.push([APART, 'cpu', 'write', BASE + block * BLOCK, PAGE]);
  for (let block = 0; block < 32; block++) rows.push([2 * APART, 'gpu0', 'write', BASE + block * BLOCK, PAGE]);
  return trace('One page of each 2 MiB', 'bookkeeping for each page touched', rows);
}

/** Host and device write at the same instant: the same page, or each its own 2 MiB. */
function contended(same: boolean): string {
  const rows: Row[] = [
    [0, 'cpu', 'alloc', BASE, 64 * BLOCK, 'data'],
    [APART, 'cpu', 'write', BASE, 64 * BLOCK],
  ];
  for (let block = 0; block < 32; block++) {
    const at = BASE + block * BLOCK;
    rows.push([(2 + block) * APART, 'gpu0', 'write', at, PAGE]);
    rows.push([(2 + block) * APART, 'cpu', 'write', at + (same ? 0 : 32 * BLOCK), PAGE]);
  }
  const what = same ? 'the same page' : 'pages of their own';
  return trace(`Host and device write ${what}`, 'who waits for whom', rows);
}

/** Three sweeps over 512 MiB; `hot`: a sixteenth of it is used again before every piece. */
function sweeps(hot: boolean): string {
  const rows: Row[] = [
    [0, 'cpu', 'alloc', BASE, 256 * BLOCK, 'data'],
    [0, 'gpu0', 'launch', 0, 0],
  ];
  for (let sweep = 0; sweep < 3; sweep++) {
    for (let block = 0; block < 256; block++) {
      if (hot) rows.push([0, 'gpu0', 'write', BASE + (block % 8) * BLOCK, PAGE]);
      rows.push([0, 'gpu0', 'write', BASE + block * BLOCK, BLOCK]);
    }
  }
  return trace(
    hot ? 'Three sweeps beside a hot set' : 'Three sweeps over 512 MiB',
    hot ? 'oversubscription with 16 MiB in constant use' : 'oversubscription where every page is used in turn',
    rows,
  );
}

/** One prefetch by the device's own actor: its time is all that `time.stall.device.ns` holds. */
function prefetch(mebibytes: number): string {
  const bytes = mebibytes * KIB * KIB;
  return trace(`Prefetch of ${mebibytes} MiB`, 'bandwidth of a prefetch by its size', [
    [0, 'cpu', 'alloc', BASE, bytes, 'data'],
    [APART, 'cpu', 'write', BASE, bytes],
    [10 * APART, 'gpu0', 'prefetch', BASE, bytes, 'gpu0'],
  ]);
}

/** Each of the operations that the two designs of the driver interface count differently, eight pages each. */
function operations(): string {
  const rows: Row[] = [
    [0, 'cpu', 'alloc', BASE, 24 * BLOCK, 'data'],
    [APART, 'gpu0', 'write', BASE, 8 * BLOCK],
    [2 * APART, 'cpu', 'write', BASE + 8 * BLOCK, 16 * BLOCK],
  ];
  for (let block = 0; block < 8; block++)
    rows.push([(3 + block) * APART, 'gpu0', 'read', BASE + (8 + block) * BLOCK, BLOCK]);
  for (let block = 0; block < 8; block++)
    rows.push([(12 + block) * APART, 'cpu', 'read', BASE + (8 + block) * BLOCK, BLOCK]);
  rows.push([30 * APART, 'cpu', 'prefetch', BASE + 16 * BLOCK, 8 * BLOCK, 'gpu0']);
  rows.push([40 * APART, 'cpu', 'free', BASE, 24 * BLOCK]);
  return trace('First touch, fetch, return, prefetch, unmap', 'round trips of each way to write a driver', rows);
}

/** File name -> text. */
export function claimTraces(): Map<string, string> {
  const files: [string, string][] = [
    ['read-then-write', readThenWrite()],
    ['file-io', fileIo()],
    ['event-none', event('none', BLOCK)],
    ['host-only-sparse-system', hostOnly('system', false)],
    ['host-only-sparse-managed', hostOnly('managed', false)],
    ['host-only-dense-managed', hostOnly('managed', true)],
    ['metadata', sparse()],
    ['contended-same', contended(true)],
    ['contended-apart', contended(false)],
    ['sweeps', sweeps(false)],
    ['sweeps-hot', sweeps(true)],
    ['operations', operations()],
  ];
  for (const kind of ['managed', 'pinned', 'system']) {
    for (const use of DENSITIES) files.push([`use-${use}-${kind}`, density(use, 1, kind)]);
    for (const passes of REUSES) files.push([`use-2MiB-x${passes}-${kind}`, density('2MiB', passes, kind)]);
  }
  for (const sort of EVENTS) {
    files.push([`event-${sort}-2MiB`, event(sort, BLOCK)]);
    files.push([`event-${sort}-4KiB`, event(sort, PAGE)]);
  }
  for (const sort of HINTS) files.push([`hint-${sort}`, hint(sort)]);
  for (const size of PREFETCH_MIB) files.push([`prefetch-${size}MiB`, prefetch(size)]);
  return new Map(files.map(([name, text]) => [`${name}.csv`, text]));
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of claimTraces()) writeFileSync(new URL(name, import.meta.url), text);
}
