import { expect, test } from 'vitest';
import { copyNs } from '../../src/platforms/platform.ts';
import { platformFromProfile, profileFields, profileFromPlatform, sourceOf } from '../../src/platforms/profile.ts';
import { profileSchema } from '../../src/platforms/profile-schema.ts';
import { DEFAULT_PLATFORM, loadPlatform, platformNames } from '../../src/platforms/registry.ts';

test('the default is there', () => {
  expect(platformNames()).toContain(DEFAULT_PLATFORM);
});

test.each(platformNames())(
  '%s: named as its file, every field with a source, equal after a trip through JSON',
  async (name) => {
    const platform = await loadPlatform(name);
    expect(platform.name).toBe(name);
    const profile = profileFromPlatform(platform);
    expect(profileFields(profile).length).toBeGreaterThan(15);
    for (const { field } of profileFields(profile)) {
      expect(sourceOf(platform.sources, field), `${field} has no source`).toBeTruthy();
    }
    // No source without a field, so that none stays behind when a field goes.
    const fields = profileFields(profile).map((f) => f.field);
    for (const source of Object.keys(platform.sources)) {
      expect(
        source === '*' || fields.some((f) => f === source || f.startsWith(`${source}.`)),
        `${source} is no field`,
      ).toBe(true);
    }
    expect(platformFromProfile(profileSchema.parse(JSON.parse(JSON.stringify(profile))))).toEqual(platform);
  },
);

test('only the made-up machine may blanket its sources', async () => {
  for (const name of platformNames()) {
    const { sources } = await loadPlatform(name);
    if (name !== 'zero') expect(Object.keys(sources)).not.toContain('*');
  }
});

test('what nobody published is 256 in flight and 10 us, marked assumed', async () => {
  for (const name of platformNames().filter((n) => n !== 'zero')) {
    const { inFlight, faultLatencyNs, sources } = await loadPlatform(name);
    expect([inFlight, faultLatencyNs]).toEqual([256, 10_000]);
    expect(sources.inFlight).toMatch(/^assumed/);
    expect(sources.faultLatencyNs).toMatch(/^assumed/);
  }
});

test('nothing takes time on zero', async () => {
  const zero = await loadPlatform('zero');
  for (const { field, value } of profileFields(profileFromPlatform(zero))) {
    if (field !== 'inFlight' && typeof value === 'number') expect(value, field).toBe(0);
  }
});

test('gtx1080ti copies as measured', async () => {
  const { link } = await loadPlatform('gtx1080ti');
  // Host to device, us measured by nvprof: 60 KiB 5.7-6.0, 124 KiB 11.2, 252 KiB 21.7, 508 KiB 43.3, 1020 KiB 86.4.
  // A single page took 1.73-1.82; the straight line is 0.77 + 4 x 0.0839 = 1.1 there, its worst point.
  for (const [kib, us] of [
    [60, 5.85],
    [124, 11.2],
    [252, 21.7],
    [508, 43.3],
    [1020, 86.4],
  ]) {
    expect(Math.abs(copyNs(link.h2d, kib * 1024) / 1000 - us) / us, `${kib} KiB`).toBeLessThan(0.03);
  }
  // Device to host: 4 KiB 1.06, 60 KiB 5.2-5.5.
  expect(copyNs(link.d2h, 4096)).toBeGreaterThan(1000);
  expect(copyNs(link.d2h, 4096)).toBeLessThan(1110);
  expect(copyNs(link.d2h, 60 * 1024)).toBeGreaterThan(5200);
  expect(copyNs(link.d2h, 60 * 1024)).toBeLessThan(5500);
});
