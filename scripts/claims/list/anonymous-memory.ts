import { type Claim, outcomeOf, type Verdict } from '../claim.ts';
import { bytes, count, metric, microseconds, number, runTable, STACKS } from '../numbers.ts';

const HOST = 'time.stall.host.ns';
const METADATA = 'memory.metadata.peakBytes';
const PAGES = 32;

interface Numbers {
  /** Time the CPU waits, GMEM / HMM: memory that takes no part, memory that does (16 pages of 2 MiB, all). */
  readonly unusedBytes: number;
  readonly unusedToHmm: number;
  readonly sparseToHmm: number;
  readonly denseToHmm: number;
  /** The same against 2 MiB pages in core MM. */
  readonly sparseToHuge: number;
  readonly denseToHuge: number;
  /** Bookkeeping for each touched page, one page of each 2 MiB touched. */
  readonly gmemMetadata: number;
  readonly hmmMetadata: number;
  /** What a collision of host and device adds to the CPU's wait. */
  readonly gmemCollisionNs: number;
  readonly hmmCollisionNs: number;
  readonly lockWaitNs: number;
}

const HOST_ONLY = ['host-only-sparse-managed', 'host-only-dense-managed'] as const;
/** Only the model of HMM charges this for a CPU fault; without it what is left is the same for all stacks. */
const SAME_FAULT = 'hmm.pageFaultNs=0';
const EXPERIMENTS = [
  'host-only-sparse-system',
  'host-only-sparse-managed',
  'host-only-dense-managed',
  'metadata',
  'contended-same',
  'contended-apart',
] as const;

export const anonymousMemory: Claim<Numbers> = {
  id: 'H10',
  title: 'Anonymous memory becomes slower, more serialised, and carries more metadata',
  claim:
    'With GMEM in core MM, anonymous memory gets slower, takes more locks in its way and wastes more memory on bookkeeping.',
  source: 'D. Hildenbrand, 1 December 2023, on patch 2 of 6 of the RFC.',
  test: 'GMEM against HMM, which is core MM as it is: CPU time of a process without a device in shared memory (MAP_PEER_SHARED), sparse and dense; bookkeeping for each page touched; what the CPU waits when host and device write the same page at once beyond writing apart. Confirmed if GMEM is worse in all four, refuted if in none. Memory that takes no part is shown apart: there it must cost nothing.',
  experiments: [
    ...EXPERIMENTS.map((name) => ({
      key: name,
      trace: name,
      ...(name.startsWith('host-only') && { set: [SAME_FAULT] }),
    })),
    ...HOST_ONLY.map((name) => ({
      key: `huge-${name}`,
      trace: name,
      models: ['hmm'],
      set: [SAME_FAULT, 'host.page=2097152'],
    })),
  ],
  measure(runs) {
    const value = (key: string, stack: string, what: string): number => number(runs.get(key, stack), what);
    const collision = (stack: string): number =>
      (value('contended-same', stack, HOST) - value('contended-apart', stack, HOST)) / PAGES;
    const toHmm = (key: string, hmm = key): number => value(key, 'gmem', HOST) / value(hmm, 'hmm', HOST);
    return {
      unusedBytes: value('host-only-sparse-system', 'gmem', METADATA),
      unusedToHmm: toHmm('host-only-sparse-system'),
      sparseToHmm: toHmm('host-only-sparse-managed'),
      denseToHmm: toHmm('host-only-dense-managed'),
      sparseToHuge: toHmm(HOST_ONLY[0], `huge-${HOST_ONLY[0]}`),
      denseToHuge: toHmm(HOST_ONLY[1], `huge-${HOST_ONLY[1]}`),
      gmemMetadata: value('metadata', 'gmem', METADATA) / PAGES,
      hmmMetadata: value('metadata', 'hmm', METADATA) / PAGES,
      gmemCollisionNs: collision('gmem'),
      hmmCollisionNs: collision('hmm'),
      lockWaitNs: value('contended-same', 'gmem', 'gmem.lockWait.ns') / PAGES,
    };
  },
  judge(n): Verdict {
    return {
      outcome: outcomeOf([
        n.sparseToHmm > 1,
        n.denseToHmm > 1,
        n.gmemMetadata > n.hmmMetadata,
        n.gmemCollisionNs > n.hmmCollisionNs,
      ]),
      sentence:
        `On the host alone GMEM takes ${count(n.sparseToHmm, 2)} times HMM's time in sparse memory and ${count(n.denseToHmm, 2)} times in dense (${count(n.sparseToHuge, 2)} and ${count(n.denseToHuge, 2)} times against 2 MiB CPU pages); ` +
        `${count(n.gmemMetadata)} bytes of bookkeeping against ${count(n.hmmMetadata)} for each page touched alone in its 2 MiB; a collision costs the CPU ${microseconds(n.gmemCollisionNs)} ` +
        `(${microseconds(n.lockWaitNs)} of it at the page's mutex) against ${microseconds(n.hmmCollisionNs)}. Memory that takes no part costs ${bytes(n.unusedBytes)} and ${count(n.unusedToHmm, 2)} times HMM's time.`,
    };
  },
  tables: (runs) => [
    runTable(
      runs,
      'What the host pays',
      'trace',
      [
        ...EXPERIMENTS.flatMap((name) => STACKS.map((stack) => [name, name, stack] as const)),
        ...HOST_ONLY.map((name) => [`${name}, 2 MiB CPU pages`, `huge-${name}`, 'hmm'] as const),
      ],
      {
        'CPU faults': metric('faults.host'),
        'CPU waits': metric(HOST, microseconds),
        'pages filled on the host': metric('populate.host.pages'),
        bookkeeping: metric(METADATA, bytes),
        'waits at GMEM locks': metric('gmem.lockWait.ns', microseconds),
      },
    ),
  ],
  changes:
    '2 MiB pages in core MM (the last rows): it then fills as much as GMEM does, with as few faults. A smaller page in GMEM, which no code has.',
  limits:
    "Only GMEM's model counts its waits at locks apart; of other stacks the collision's whole cost is compared, which holds driver time that was measured for HMM and never published for GMEM. Sizes of structures are worked out for GMEM and assumed for HMM's driver.",
};
