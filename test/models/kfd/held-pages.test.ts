import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeldPages } from '../../../src/models/kfd/held-pages.ts';

const page = fc.oneof(
  fc.nat(3000),
  // Pages of 52-bit addresses, many of them alike in their lower 32 bits.
  fc.tuple(fc.nat(40), fc.nat(255)).map(([low, high]) => high * 2 ** 32 + low),
);

test('it is a set that is emptied again and again', () => {
  fc.assert(
    fc.property(fc.array(fc.array(page, { maxLength: 60 }), { maxLength: 8 }), (rounds) => {
      const held = new HeldPages();
      for (const pages of rounds) {
        const model = new Set<number>();
        for (const p of pages) {
          expect(held.has(p)).toBe(model.has(p));
          if (!model.has(p)) held.add(p);
          model.add(p);
        }
        held.clear();
        for (const p of pages) expect(held.has(p)).toBe(false);
      }
    }),
  );
});

test('it grows, and keeps what it holds', () => {
  const held = new HeldPages();
  const pages = Array.from({ length: 5000 }, (_, i) => i * 977 + (i % 3) * 2 ** 33);
  for (const p of pages) held.add(p);
  expect(pages.every((p) => held.has(p))).toBe(true);
  expect(pages.some((p) => held.has(p + 1))).toBe(false);
  held.clear();
  expect(pages.some((p) => held.has(p))).toBe(false);
});
