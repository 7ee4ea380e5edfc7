/** The answers of `explain --format json`. */

import { z } from 'zod';
import { CAUSES } from '../../replay/metrics.ts';

const ns = (text: string) => z.int().nonnegative().describe(text);
const count = z.int().nonnegative();
const trace = z.strictObject({ name: z.string(), sha256: z.string().describe('of the uncompressed bytes') });
const stack = z.string().describe('MODEL or MODEL:PRESET');
const memory = z.string().describe('`unlimited`, a ratio such as `1.25x`, or a size');

const event = z.strictObject({
  seq: z.int(),
  timeNs: z.number(),
  durationNs: z.number(),
  kind: z.string(),
  actor: z.string(),
  trigger: z.string().nullable(),
  from: z.string().nullable(),
  to: z.string().nullable(),
  addr: z.string().nullable(),
  size: z.int(),
  batch: z.int().nullable(),
  record: z.int(),
  costNs: ns('what this page paid for it'),
});

export const explainPageSchema = z.strictObject({
  schema: z.literal('gmem-eval/explain-page@1'),
  trace,
  page: z.string().describe('address of its first byte'),
  allocations: z.array(z.string()).describe('names of those that hold the page, in the order of their making'),
  platform: z.string(),
  parting: z.string().describe('one sentence: the first point where the stacks part'),
  partings: z
    .array(
      z.strictObject({
        line: z.int().positive().describe("of the page's life"),
        groups: z.array(
          z.strictObject({
            stacks: z.array(z.string()),
            what: z.string().nullable().describe('null: nothing more'),
            records: z.array(z.int()),
          }),
        ),
      }),
    )
    .describe('the first, then those of the groups that it leaves'),
  runs: z.array(
    z.strictObject({
      stack,
      memory,
      costNs: ns('of the page in all: of its events and of its remote accesses'),
      remoteNs: ns('of it: remote accesses'),
      remoteBytes: count,
      events: z.array(event).describe('lines of --events that cover the page, by time'),
      left: count.describe('later events that were not kept'),
      leftNs: ns('what they cost'),
    }),
  ),
});

export type ExplainPage = z.infer<typeof explainPageSchema>;

const named = z.strictObject({
  name: z.string(),
  addr: z.string(),
  record: z.int().describe('that made it; -1 = inferred'),
});
const ranking = <T extends z.ZodType>(item: T) =>
  z.strictObject({
    ranked: z.array(item),
    others: count.describe('how many more cost something'),
    othersNs: ns('what they cost'),
    elsewhereNs: ns('stalls in which nothing was done to any of them'),
  });

export const explainTopSchema = z.strictObject({
  schema: z.literal('gmem-eval/explain-top@1'),
  trace,
  platform: z.string(),
  top: z.int().positive(),
  runs: z.array(
    z.strictObject({
      stack,
      memory,
      advice: z.string().describe('one sentence: where the time went, and what would help'),
      time: z.strictObject({
        totalNs: ns('time.total.ns'),
        idealNs: ns('time.ideal.ns'),
        lostNs: ns('stalls of all actors and remote accesses: what the two rankings share out'),
        unlimitedNs: ns('time.total.ns with memory without limit').nullable().describe('null without a limit'),
        by: z.record(z.enum(CAUSES), ns('time.by.CAUSE.ns')),
      }),
      pages: ranking(
        z.strictObject({
          addr: z.string(),
          pages: z.int().positive().describe('so many 4 KiB pages in a row that cost the same'),
          allocations: z.array(z.string()),
          ns: ns('of all of them'),
          each: z.strictObject({
            ns: z.number().nonnegative(),
            copies: count,
            remoteBytes: count,
            faults: count,
            evictions: count,
          }),
        }),
      ).describe('ranked by the cost of one page'),
      allocations: ranking(
        named.extend({
          ns: ns('of all of its pages'),
          copiedBytes: count,
          remoteBytes: count,
          faults: count,
          evictions: count,
        }),
      ),
    }),
  ),
});

export type ExplainTop = z.infer<typeof explainTopSchema>;
