import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Interval, IntervalSet } from '../../src/replay/interval-set.ts';

describe('a set of intervals', () => {
  const set = new IntervalSet<Interval>();
  for (const first of [30, 10, 20]) set.add({ first, last: first + 4 });

  it('keeps them by address', () => {
    expect([...set].map((interval) => interval.first)).toEqual([10, 20, 30]);
    expect(set.size).toBe(3);
  });

  it('finds the one at a page, after it and before it', () => {
    expect([9, 10, 14, 15].map((page) => set.at(page)?.first ?? null)).toEqual([null, 10, 10, null]);
    expect([9, 10, 24, 30].map((page) => set.after(page)?.first ?? null)).toEqual([10, 20, 30, null]);
    expect([10, 15, 22, 99].map((page) => set.before(page)?.first ?? null)).toEqual([null, 10, 10, 30]);
  });

  it('refuses an overlap', () => {
    expect(() => set.add({ first: 24, last: 26 })).toThrow('meets');
    expect(() => set.add({ first: 0, last: 10 })).toThrow('meets');
  });

  it('takes many at once, around those it has', () => {
    const many = new IntervalSet<Interval>();
    many.add({ first: 20, last: 24 });
    many.addAll([5, 40, 30, 0, 10].map((first) => ({ first, last: first + 4 })));
    expect([...many].map((interval) => interval.first)).toEqual([0, 5, 10, 20, 30, 40]);
    expect(() =>
      many.addAll([
        { first: 50, last: 55 },
        { first: 55, last: 56 },
      ]),
    ).toThrow('meets');
    const long = new IntervalSet<Interval>();
    long.addAll(Array.from({ length: 25_000 }, (_, i) => ({ first: i, last: i })));
    expect([long.size, long.at(24_999)?.first]).toEqual([25_000, 24_999]);
    expect(() => many.addAll([{ first: 15, last: 20 }])).toThrow('meets');
    expect(() => many.addAll([{ first: 24, last: 26 }])).toThrow('meets');
  });

  it('gives many back at once', () => {
    for (const count of [3, 20]) {
      const many = new IntervalSet<Interval>();
      const all = Array.from({ length: 30 }, (_, i) => ({ first: i * 10, last: i * 10 + 4 }));
      many.addAll(all);
      many.removeAll([...all.slice(0, count), { first: 1, last: 2 }]);
      expect([...many]).toEqual(all.slice(count));
    }
  });

  it('agrees with a plain list', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(60), fc.nat(6), fc.boolean()), { maxLength: 40 }),
        fc.nat(70),
        fc.nat(10),
        (steps, page, length) => {
          const tested = new IntervalSet<Interval>();
          let plain: Interval[] = [];
          for (const [first, size, remove] of steps) {
            const last = first + size;
            const met = plain.filter((interval) => interval.first <= last && first <= interval.last);
            if (remove && met.length > 0) {
              tested.remove(met[0]);
              plain = plain.filter((interval) => interval !== met[0]);
            } else if (met.length === 0) {
              const interval = { first, last };
              tested.add(interval);
              plain.push(interval);
            }
          }
          plain.sort((a, b) => a.first - b.first);
          expect([...tested]).toEqual(plain);
          expect(tested.at(page)).toBe(plain.find((i) => i.first <= page && page <= i.last) ?? null);
          expect(tested.after(page)).toBe(plain.find((i) => i.first > page) ?? null);
          expect(tested.before(page)).toBe(plain.findLast((i) => i.last < page) ?? null);
          const end = page + length;
          const meeting = plain.filter((i) => i.first <= end && page <= i.last);
          expect(tested.meeting(page, end)).toEqual(meeting);
          expect(tested.meets(page, end)).toBe(meeting.length > 0);
          const walked: Interval[] = [];
          for (let i = tested.indexFrom(page); i < tested.size && tested.get(i).first <= end; i++) {
            walked.push(tested.get(i));
          }
          expect(walked).toEqual(meeting);
        },
      ),
    );
  });
});
