/** Machine profiles as plain data, to and from the platform that a run is given. */

import type { Platform } from './platform.ts';
import type { Profile } from './profile-schema.ts';

const infinite = (value: number | null): number => value ?? Number.POSITIVE_INFINITY;
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

export function platformFromProfile(profile: Profile): Platform {
  const linkSpeed = (l: Profile['link']['h2d']) => ({
    copyOverheadNs: l.copyOverheadNs,
    bytesPerNs: infinite(l.bytesPerNs),
  });
  return {
    name: profile.name,
    title: profile.title,
    inFlight: profile.inFlight,
    faultLatencyNs: profile.faultLatencyNs,
    link: { h2d: linkSpeed(profile.link.h2d), d2h: linkSpeed(profile.link.d2h), d2d: linkSpeed(profile.link.d2d) },
    host: {
      ...profile.host,
      bytesPerNs: infinite(profile.host.bytesPerNs),
      zeroBytesPerNs: infinite(profile.host.zeroBytesPerNs),
    },
    device: {
      ...profile.device,
      memoryBytes: infinite(profile.device.memoryBytes),
      bytesPerNs: infinite(profile.device.bytesPerNs),
      zeroBytesPerNs: infinite(profile.device.zeroBytesPerNs),
    },
    remoteBytesPerNs: infinite(profile.remoteBytesPerNs),
    ...(profile.timeless === undefined ? {} : { timeless: profile.timeless }),
    topology: { ...profile.topology },
    sources: { ...profile.sources },
  };
}

/** The inverse: what `platforms NAME --format json` and the manifest of a result show. */
export function profileFromPlatform(platform: Platform): Profile {
  const linkSpeed = (l: Platform['link']['h2d']) => ({
    copyOverheadNs: l.copyOverheadNs,
    bytesPerNs: finite(l.bytesPerNs),
  });
  return {
    name: platform.name,
    title: platform.title,
    inFlight: platform.inFlight,
    faultLatencyNs: platform.faultLatencyNs,
    link: { h2d: linkSpeed(platform.link.h2d), d2h: linkSpeed(platform.link.d2h), d2d: linkSpeed(platform.link.d2d) },
    host: {
      bytesPerNs: finite(platform.host.bytesPerNs),
      zeroBytesPerNs: finite(platform.host.zeroBytesPerNs),
      faultNs: platform.host.faultNs,
      tlbShootdownNs: platform.host.tlbShootdownNs,
    },
    device: {
      memoryBytes: finite(platform.device.memoryBytes),
      bytesPerNs: finite(platform.device.bytesPerNs),
      zeroBytesPerNs: finite(platform.device.zeroBytesPerNs),
      tlbInvalidateNs: platform.device.tlbInvalidateNs,
    },
    remoteBytesPerNs: finite(platform.remoteBytesPerNs),
    ...(platform.timeless === undefined ? {} : { timeless: platform.timeless }),
    topology: { ...platform.topology },
    sources: { ...platform.sources },
  };
}

/** Every number and switch of a profile by its dotted name. */
export function profileFields(
  profile: Profile,
): { readonly field: string; readonly value: string | number | boolean | null }[] {
  const fields: { field: string; value: string | number | boolean | null }[] = [];
  const walk = (prefix: string, value: unknown): void => {
    if (value !== null && typeof value === 'object') {
      for (const [key, inner] of Object.entries(value)) walk(prefix === '' ? key : `${prefix}.${key}`, inner);
    } else {
      fields.push({ field: prefix, value: value as string | number | boolean | null });
    }
  };
  const { $schema: _schema, name: _name, title: _title, sources: _sources, ...body } = profile;
  walk('', body);
  return fields;
}

/** The source of a field: its own entry, else the nearest parent's, else `*`. */
export function sourceOf(sources: Readonly<Record<string, string>>, field: string): string | null {
  for (let name = field; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('.')))) {
    if (sources[name] !== undefined) return sources[name];
  }
  return sources['*'] ?? null;
}
