/** What every model must do with plain traces, whatever it imitates. Invariants are checked all along. */
import { describe, expect, test } from 'vitest';
import type { EventLine } from '../../src/replay/lane.ts';
import { METRIC_NAMES, type MetricName, TRIGGERS } from '../../src/replay/metrics.ts';
import type { ModelDefinition } from '../../src/replay/model.ts';
import { allModels } from '../../src/replay/registry.ts';
import { timedPlatform } from '../helpers/platforms.ts';
import { type ModelRun, type RunModelOptions, runModel } from '../helpers/run.ts';

interface Case {
  readonly label: string;
  readonly model: ModelDefinition;
  readonly preset: string;
}

const cases: Case[] = (await allModels()).flatMap((model) =>
  Object.keys(model.presets).map((preset) => ({ label: `${model.name}:${preset}`, model, preset })),
);

const MIB = 2 ** 20;

/** Stacks whose device OS evicts ahead of need, by watermarks: they are never full. */
const KEEPS_SOME_FREE = new Set(['gmem:olk510', 'gmem:rfc']);

/** Two blocks written by the CPU, then read whole by the device. */
const TWO_BLOCKS = [
  '0 cpu alloc 0x400000 4M a',
  '1000 cpu w 0x400000 4M',
  '2000 gpu0 launch',
  '3000 gpu0 r 0x400000 2M',
  '900000 gpu0 r 0x600000 2M',
  '9000000 gpu0 sync',
];

const TRACES: Readonly<Record<string, readonly string[]>> = {
  'no records': [],
  'one page': [
    '0 cpu alloc 0x400000 4K a',
    '1000 cpu w 0x400000 4K',
    '2000 gpu0 r 0x400000 4K',
    '900000 cpu r 0x400000 4K',
  ],
  'write only': ['0 cpu alloc 0x400000 64K a', '1000 gpu0 w 0x400000 64K', '900000 gpu0 w 0x400000 64K'],
  'without alloc': ['0 cpu w 0x400000 64K', '100000 gpu0 r 0x400000 64K', '900000 gpu0 w 0x400100 100'],
  'freed while resident': [
    ...TWO_BLOCKS,
    '9100000 cpu free 0x400000 2M',
    '9200000 gpu0 r 0x600000 2M',
    '9300000 cpu free 0x600000 2M',
    '9400000 cpu alloc 0x400000 4M b',
    '9500000 gpu0 w 0x500000 64K',
    '9600000 cpu r 0x500000 64K',
    '9700000 cpu free 0x400000 4M',
  ],
  'two devices': [
    '0 cpu alloc 0x400000 2M a',
    '1000 cpu w 0x400000 1M',
    '100000 gpu0 w 0x400000 64K',
    '9000000 gpu1 w 0x400000 64K',
    '18000000 gpu0 r 0x400000 64K',
    '27000000 gpu1 r 0x400000 128K',
    '36000000 cpu r 0x400000 1M',
  ],
  'hints, copies and notifier events': [
    '0 cpu alloc 0x400000 2M a',
    '0 cpu alloc 0x800000 2M b',
    '1000 cpu w 0x400000 256K',
    '2000 cpu advise 0x400000 256K read_mostly',
    '3000 cpu prefetch 0x400000 256K gpu0',
    '9000000 gpu0 r 0x400000 256K',
    '9100000 cpu advise 0x400000 256K unset:read_mostly',
    '9200000 gpu0 copy 0x800000 64K 0x400000',
    '9900000 cpu invalidate 0x400000 2M fork',
    '9950000 gpu0 a 0x400000 8K',
    '19950000 cpu invalidate 0x400000 2M numa',
    '19960000 cpu prefetch 0x400000 256K cpu',
    '29960000 cpu r 0x400000 256K',
    '39960000 cpu invalidate 0x800000 2M hostio',
  ],
  'memory of every kind': [
    '0 gpu0 alloc 0x400000 2M d;kind=device',
    '0 cpu alloc 0x800000 2M p;kind=pinned',
    '0 cpu alloc 0xc00000 2M s;kind=system',
    '0 cpu alloc 0x1000000 2M f;kind=file',
    '1000 cpu w 0x800000 16K',
    '1000 cpu w 0xc00000 16K',
    '1000 cpu w 0x1000000 16K',
    '2000 gpu0 copy 0x400000 16K 0x800000',
    '900000 gpu0 r 0x400000 16K',
    '1900000 gpu0 r 0x800000 16K',
    '2900000 gpu0 r 0xc00000 16K',
    '3900000 gpu0 w 0x1000000 16K',
    '9900000 cpu free 0x400000 2M',
    '9900000 cpu free 0x800000 2M',
    '9900000 cpu free 0xc00000 2M',
    '9900000 cpu free 0x1000000 2M',
  ],
};

const number = (run: ModelRun, name: MetricName): number => run.metrics[name] ?? 0;

const sizes = (events: readonly EventLine[], kind: string, trigger?: string): number =>
  events
    .filter((event) => event.kind === kind && (trigger === undefined || event.trigger === trigger))
    .reduce((sum, event) => sum + event.size, 0);

/** What holds in every run: nothing is lost between the books, and the events tell the same story. */
function expectBooksAddUp(run: ModelRun, model: ModelDefinition, preset: string): void {
  const own = Object.keys(model.metrics ?? {}).map((name) => `${model.name}.${name}`);
  expect(Object.keys(run.metrics)).toEqual([...METRIC_NAMES, ...own]);
  const absent = new Set<string>([...(model.presets[preset].absent ?? []), 'slowdown', 'efficiency.movedPerUsed']);
  for (const [name, value] of Object.entries(run.metrics)) {
    if (value === null) expect(absent, `${name} is null`).toContain(name);
    else expect(value, name).toBeGreaterThanOrEqual(0);
    if (!absent.has(name)) expect(Number.isSafeInteger(value), `${name} is whole: ${value}`).toBe(true);
  }

  const moved = (['h2d', 'd2h', 'd2d'] as const).reduce((sum, way) => sum + number(run, `migration.${way}.bytes`), 0);
  const byTrigger = TRIGGERS.reduce((sum, trigger) => sum + number(run, `migration.by.${trigger}.bytes`), 0);
  expect(byTrigger).toBe(moved);
  const outcomes: MetricName[] = ['faults.device', 'faults.duplicate', 'faults.stale', 'faults.deferred'];
  expect(number(run, 'faults.deviceRaw')).toBe(outcomes.reduce((sum, name) => sum + number(run, name), 0));
  expect(number(run, 'faults.permission')).toBeLessThanOrEqual(number(run, 'faults.device'));
  expect(number(run, 'faults.host.firstTouch')).toBeLessThanOrEqual(number(run, 'faults.host'));
  expect(number(run, 'speculation.used')).toBeLessThanOrEqual(number(run, 'speculation.pages'));
  expect(number(run, 'time.total.ns')).toBeGreaterThanOrEqual(number(run, 'time.ideal.ns'));

  const { trace, events } = run;
  const ofDevices = (column: Float64Array): number => column.slice(1).reduce((sum, n) => sum + n, 0);
  expect(number(run, 'accesses.host')).toBe(trace.accessesByActor[0]);
  expect(number(run, 'accesses.device')).toBe(ofDevices(trace.accessesByActor));
  expect(number(run, 'touches.device')).toBe(ofDevices(trace.touchesByActor));
  expect(events.map((event) => event.seq)).toEqual(events.map((_, i) => i));
  const faults = events.filter((event) => event.kind === 'fault');
  expect(faults.filter((event) => event.actor !== 'cpu').length).toBe(number(run, 'faults.device'));
  expect(faults.filter((event) => event.actor === 'cpu').length).toBe(number(run, 'faults.host'));
  expect(events.filter((event) => event.kind === 'defer').length).toBe(number(run, 'faults.deferred'));
  expect(events.filter((event) => event.kind === 'evict').length).toBe(number(run, 'evictions.count'));
  expect(sizes(events, 'populate')).toBe(
    4096 * (number(run, 'populate.device.pages') + number(run, 'populate.host.pages')),
  );
  // A staged copy is one line and goes over two links.
  expect(sizes(events, 'migrate')).toBeLessThanOrEqual(moved);
  expect(2 * sizes(events, 'migrate')).toBeGreaterThanOrEqual(moved);
  for (const trigger of TRIGGERS) {
    const bytes = number(run, `migration.by.${trigger}.bytes`);
    expect(sizes(events, 'migrate', trigger) > 0, trigger).toBe(bytes > 0);
  }
}

const plainRun = ({ model, preset }: Case, rows: readonly string[], options: RunModelOptions = {}): ModelRun => {
  const run = runModel(model, rows, { preset, platform: timedPlatform, ...options });
  expectBooksAddUp(run, model, preset);
  return run;
};

describe.each(cases)('$label', (item) => {
  test.each(Object.keys(TRACES))('%s', (name) => {
    plainRun(item, TRACES[name]);
    plainRun(item, TRACES[name], { inFlight: 64 });
    plainRun(item, TRACES[name], { capacity: 2 * MIB });
  });

  test('an empty trace does nothing', () => {
    const run = plainRun(item, []);
    for (const [name, value] of Object.entries(run.metrics)) {
      if (name !== 'memory.metadata.peakBytes') expect(value ?? 0, name).toBe(0);
    }
    expect(run.metrics.slowdown).toBeNull();
    expect(run.events).toEqual([]);
  });

  test('what fits exactly is served, and not evicted', () => {
    const run = plainRun(item, TWO_BLOCKS, { capacity: 4 * MIB });
    expect(run.metrics).toMatchObject({ 'accesses.failed': 0, 'thrash.pages': 0 });
    expect(run.effectiveCapacityBytes?.[1]).toBeGreaterThanOrEqual(4 * MIB);
    if (!KEEPS_SOME_FREE.has(item.label)) expect(run.metrics['evictions.count']).toBe(0);
  });

  test('one page over: everything is still served within the memory there is', () => {
    const rows = [
      '0 cpu alloc 0x400000 4M a',
      '0 cpu alloc 0x800000 4K b',
      ...TWO_BLOCKS.slice(1),
      '10000000 gpu0 r 0x800000 4K',
      '20000000 gpu0 r 0x400000 2M',
      '90000000 cpu r 0x400000 4M',
    ];
    const run = plainRun(item, rows, { capacity: 4 * MIB });
    expect(run.metrics['accesses.failed']).toBe(0);
    const most = run.effectiveCapacityBytes?.[1];
    expect(number(run, 'memory.device.peakResidentBytes')).toBeLessThanOrEqual(most as number);
    expect(number(run, 'memory.device.peakAllocatedBytes')).toBeLessThanOrEqual(most as number);
  });

  test('a hint that it does not know is ignored, counted each time and warned about once', () => {
    const rows = [
      '0 cpu alloc 0x400000 2M a',
      '0 cpu advise 0x400000 2M attr:no_such_attribute=1',
      '0 cpu advise 0x400000 4K attr:no_such_attribute=2@gpu0',
      '0 cpu advise 0x400000 4K no_such_advice',
    ];
    const run = plainRun(item, rows);
    expect(run.metrics).toMatchObject({ 'hints.applied': 0, 'hints.ignored': 3, 'hints.rejected': 0 });
    expect(run.warnings.filter((text) => text.includes('attr:no_such_attribute'))).toHaveLength(1);
    expect(run.warnings.filter((text) => text.includes('no_such_advice'))).toHaveLength(1);
  });

  test('the same run twice gives the same bytes', () => {
    const run = (): string => {
      const result = plainRun(item, TRACES['two devices'], { capacity: 2 * MIB });
      return JSON.stringify({ ...result, trace: null });
    };
    expect(run()).toBe(run());
  });
});
