import { type Claim, outcomeOf, type Verdict } from '../claim.ts';
import type { Metrics } from '../experiment.ts';
import { count, list, MESSAGE_US, number, percent, STACKS } from '../numbers.ts';

const MIB = [2, 4, 8, 16, 32, 64] as const;
/** And one more, to show where the claim ends. */
const SWEEP = [...MESSAGE_US, 400] as const;
/** Bytes/ns of the default platform's link. */
const LINK = 24;
/** From this share of the link on it counts as saturated. */
const SATURATED = 0.9;
const CLAIMED_MIB = 16;

const shareOf = (metrics: Metrics): number =>
  number(metrics, 'migration.h2d.bytes') / number(metrics, 'time.stall.device.ns') / LINK;

interface Latency {
  readonly messageUs: number;
  /** Share of the link's bandwidth by size in MiB. */
  readonly shares: readonly (readonly [mebibytes: number, share: number])[];
}

export const prefetchBandwidth: Claim<readonly Latency[]> = {
  id: 'H13',
  title: 'A prefetch of more than 16 MB saturates the link',
  claim:
    'Four workers with two pages of 2 MiB each are enough: prefetches larger than 16 MB use the whole bandwidth of the link.',
  source: 'GMEM RFC, patch 4 of 6, Message-ID 20231128125025.4449-5-weixi.zhu@huawei.com.',
  test: `Prefetch of 2 to 64 MiB that the host wrote, over a link of ${LINK} GB/s. No latency of a message was published, so it is swept. It holds at a latency if the first size above 16 MiB reaches ${100 * SATURATED} % of the link. Confirmed if at all latencies of the sweep, refuted if at none.`,
  experiments: [
    ...MIB.map((size) => ({ key: `all-${size}`, trace: `prefetch-${size}MiB` })),
    ...SWEEP.flatMap((us) =>
      MIB.map((size) => ({
        key: `${us}-${size}`,
        trace: `prefetch-${size}MiB`,
        models: ['gmem'],
        set: [`gmem.roundTripNs=${us * 1000}`],
      })),
    ),
  ],
  measure: (runs) =>
    SWEEP.map((us) => ({
      messageUs: us,
      shares: MIB.map((size) => [size, shareOf(runs.get(`${us}-${size}`, 'gmem'))] as const),
    })),
  judge(latencies): Verdict {
    const above = (l: Latency): number => l.shares.find(([size]) => size > CLAIMED_MIB)?.[1] ?? 0;
    const holding = latencies.filter((l) => above(l) >= SATURATED);
    const knee = (l: Latency): string => {
      const reached = l.shares.find(([, share]) => share >= SATURATED);
      const largest = l.shares[l.shares.length - 1];
      return reached === undefined
        ? `${l.messageUs} us: not up to ${largest[0]} MiB (${percent(largest[1])})`
        : `${l.messageUs} us: from ${reached[0]} MiB`;
    };
    const where = holding.length === 0 ? 'no latency' : list(holding.map((l) => count(l.messageUs)));
    return {
      outcome: outcomeOf(latencies.map((l) => holding.includes(l))),
      sentence:
        `Holds with messages of ${where}${holding.length === 0 ? '' : ' us'} out of ${list(latencies.map((l) => count(l.messageUs)))} us; ` +
        `${100 * SATURATED} % of the link is reached at ${latencies.map(knee).join('; ')}.`,
    };
  },
  tables: (runs) => [
    {
      title: `Share of the link (${LINK} GB/s) by size and message latency, GMEM`,
      head: ['MiB', ...SWEEP.map((us) => `${us} us`)],
      rows: MIB.map((size) => [`${size}`, ...SWEEP.map((us) => percent(shareOf(runs.get(`${us}-${size}`, 'gmem'))))]),
    },
    {
      title: 'Share of the link, all stacks as they are',
      head: ['MiB', ...STACKS],
      rows: MIB.map((size) => [`${size}`, ...STACKS.map((stack) => percent(shareOf(runs.get(`all-${size}`, stack))))]),
    },
  ],
  changes: 'A faster link (what hides behind a copy of 2 MiB gets shorter), fewer workers, driver time a page.',
  limits:
    "Host work of GMEM for a page (zap, DMA mapping) is only the platform's CPU shootdown. Copies share the link one after the other, as fast as the link is; a DMA engine that is slower for one stream than for four is not modelled.",
};
