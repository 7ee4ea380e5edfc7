/** Where to pin a thrashing page (get_hint_for_migration_thrashing, uvm_perf_thrashing.c). */

import type { PageState, PageView } from './thrashing-state.ts';
import { closest, forEachProcessor, has, type Topology } from './topology.ts';

/** A processor to pin to, or what to do instead. */
export const THROTTLE = -1;
export const LEAVE = -2;

export function decide(
  topology: Topology,
  pinThreshold: number,
  state: PageState,
  view: PageView,
  requester: number,
): number {
  const { preferred } = view;
  const reach = (to: number) => to >= 0 && (state.processors & ~topology.accessibleFrom[to]) === 0;
  const home = view.resident === 0 ? -1 : closest(topology, view.resident, requester);
  if (reach(preferred)) return preferred;
  const preferredFights = preferred >= 0 && has(state.processors, preferred);
  if (!preferredFights && allFast(topology, state.processors, home)) {
    // A coherent CPU can cache video memory, a GPU cannot cache system memory: the page goes to the GPU.
    if (home === 0 && reach(requester)) return requester === 0 ? LEAVE : requester;
    return home;
  }
  const ripe = state.throttles >= pinThreshold;
  if (requester === preferred) {
    if (state.pinned) return preferred === state.pinnedTo || preferred === state.favoured ? preferred : THROTTLE;
    if (preferred !== state.favoured) return THROTTLE;
    return ripe ? preferred : LEAVE;
  }
  if (state.pinned) {
    if (requester === state.favoured) return reach(requester) ? requester : commonPlace(topology, state, requester);
    return has(topology.accessibleFrom[state.pinnedTo], requester) ? state.pinnedTo : THROTTLE;
  }
  if (requester !== state.favoured) return THROTTLE;
  return ripe ? requester : LEAVE;
}

function allFast(topology: Topology, processors: number, to: number): boolean {
  if (to < 0) return false;
  const fast = (topology.hasFastLink[to] & topology.nativeAtomics[to]) | (1 << to);
  return (processors & ~fast) === 0;
}

/** The nearest memory that all who fight can reach; the requester's own when there is none. */
function commonPlace(topology: Topology, state: PageState, requester: number): number {
  let common = (1 << topology.processors) - 1;
  forEachProcessor(state.processors, (p) => {
    common &= topology.canAccess[p];
  });
  return common === 0 ? requester : closest(topology, common, requester);
}
