/** `Core` of src/replay/model.ts over the reference machine. */
import { addPage, BLOCK_PAGES, newMask, PAGE_BYTES, type PageMask, pageInBlock } from '../../src/replay/mask.ts';
import { type Core, HOST, RIGHTS } from '../../src/replay/model.ts';
import { Data } from './data.ts';
import type { Machine } from './machine.ts';

/** Clears the mask and fills in those pages of the block for which `test` holds. */
function fill(out: PageMask, block: number, test: (page: number) => boolean): PageMask {
  out.fill(0);
  for (let index = 0; index < BLOCK_PAGES; index++) if (test(block * BLOCK_PAGES + index)) addPage(out, index);
  return out;
}

export function makeCore(m: Machine): Core {
  const { platform, host, inFlight } = m.spec;
  const data = new Data(m);
  let metadataPeak = 0;
  return {
    platform,
    actors: m.actors,
    inFlight,
    capacityBytes: [...m.capacity],
    host,

    now: () => m.now,
    spend: (ns, cause, times = 1) => {
      if (m.spec.platform.timeless !== true) m.pass(Math.round(ns) * times, cause);
    },
    waitUntil: (timeNs) => m.pass(Math.max(0, Math.round(timeNs) - m.now), 'wait'),
    drain: () => m.drain(),
    beginMakingRoom: () => {
      m.rooms++;
    },
    endMakingRoom: () => {
      m.rooms--;
    },
    stall: (actor, ns, cause) => {
      m.delay[actor] += Math.round(ns);
      m.count(`time.by.${m.booked(cause)}.ns`, Math.round(ns));
      m.count(actor === HOST ? 'time.stall.host.ns' : 'time.stall.device.ns', Math.round(ns));
    },
    wakeAt: (timeNs, token) => {
      m.wakes.push({ timeNs, token, request: m.requests++ });
    },
    cancelWake: (token) => {
      m.wakes = m.wakes.filter((wake) => wake.token !== token);
    },

    vmaAt: (page) => m.vmasIn(page, page)[0] ?? null,
    vmasIn: (firstPage, lastPage) => m.vmasIn(firstPage, lastPage),
    residence: (page) => [...(m.residence.get(page) ?? [])].reduce((sum, place) => sum + 2 ** place, 0),
    mapping: (actor, page) => m.rights(actor, page),
    residentMask: (location, block, out) => fill(out, block, (page) => m.isResident(page, location)),
    mappedMask: (actor, block, out, rights = RIGHTS.read) =>
      fill(out, block, (page) => m.rights(actor, page) !== RIGHTS.none && m.rights(actor, page) >= rights),
    untouchedSpeculationMask: (device, block, out) => fill(out, block, (page) => m.speculated[device].has(page)),
    residentBytes: (location) => m.residentPages[location] * PAGE_BYTES,

    move: (block, mask, to, trigger, options) => data.move(block, mask, to, trigger, options),
    populate: (block, mask, at, options) => data.populate(block, mask, at, options?.timing),
    discard: (block, mask, at) => data.discard(block, mask, at),
    transfer: (from, to, bytes) => data.transfer(from, to, bytes),
    beginMigration: () => {
      m.migrationArmed = true;
    },

    map: (actor, block, mask, rights, entries) => m.map(actor, block, mask, rights, entries),
    mapPage: (actor, page, rights) => {
      const block = Math.floor(page / BLOCK_PAGES);
      m.map(actor, block, addPage(newMask(), pageInBlock(page)), rights, 1);
    },
    // The ordinary way, which quick ways are held to.
    mirrorFaults: () => 0,
    unmap: (actor, block, mask, calls) => m.unmap(actor, block, mask, calls),
    tlbInvalidate: () => {
      m.count('tlb.invalidations');
      m.pass(Math.round(platform.device.tlbInvalidateNs), 'mapping');
    },
    hostShootdown: () => m.pass(Math.round(platform.host.tlbShootdownNs), 'mapping'),

    reserve: (device, bytes) => {
      if (m.allocated[device] + bytes > m.capacity[device]) return false;
      m.allocated[device] += bytes;
      m.peakAllocated[device] = Math.max(m.peakAllocated[device], m.allocated[device]);
      return true;
    },
    release: (device, bytes) => {
      m.allocated[device] -= bytes;
    },
    allocatedBytes: (device) => m.allocated[device],
    setEffectiveCapacity: (device, bytes) => {
      m.capacity[device] = bytes;
    },
    effectiveCapacity: (device) => m.capacity[device],
    metadataBytes: (bytes) => {
      metadataPeak = Math.max(metadataPeak, bytes);
      m.ledger.set('memory.metadata.peakBytes', metadataPeak);
    },
    evicted: (device, firstPage, sizeBytes, residentPages) => {
      m.count('evictions.count');
      m.count('evictions.pages', residentPages);
      m.emit('evict', device, firstPage, sizeBytes);
    },

    armCounter: (device, block, threshold) => m.arm(device, block, threshold),
    disarmCounter: (device, block) => m.disarm(device, block),

    count: (metric, n) => m.count(metric, n),
    countOwn: (name, n = 1) => {
      const before = m.own.get(name);
      if (before === undefined) throw new Error(`${m.spec.model.name} did not declare the metric ${name}`);
      m.own.set(name, before + n);
    },
    resolved: (parameter, value) => {
      m.resolved[parameter] = value;
    },
    warn: (text) => {
      m.warnings.add(text);
    },
    note: (kind, actor, page, sizeBytes) => m.emit(kind, actor, page, sizeBytes),
  };
}
