/** Hints and `copy` records as `hmadvise` and `hmemcpy` calls. */
import type { LinuxMm } from '../../replay/linux-mm.ts';
import { BLOCK_PAGES, blockOf, PAGE_BYTES } from '../../replay/mask.ts';
import { type HintOutcome, HOST, type ModelHooks, type Vma } from '../../replay/model.ts';
import type { AdviseEvent, CopyEvent, PrefetchEvent } from '../../trace/compiled.ts';
import { ERRNO } from './config.ts';
import type { Place } from './driver.ts';
import { type Hint, hmadvise } from './hints.ts';
import { hmemcpy } from './hmemcpy.ts';
import { STATE } from './mapping.ts';
import { isPeerShared } from './space.ts';
import type { Gm } from './stack.ts';

/** `run` does something on the stack's local time and spends what passed. */
export function createHintHooks(
  gm: Gm,
  linux: LinuxMm,
  run: (work: () => number) => number,
): Pick<ModelHooks, 'prefetch' | 'advise' | 'copy'> {
  const { core, config } = gm;

  function hint(device: number, event: PrefetchEvent | AdviseEvent, what: Hint): HintOutcome {
    const code = run(() => hmadvise(gm, device, placeOf(event.firstPage, event.offsetBytes), event.sizeBytes, what));
    if (code === ERRNO.fault) core.warn('hmadvise: some pages of a range could not be brought to the device');
    return code === 0 || code === ERRNO.fault ? 'applied' : 'rejected';
  }

  function advise(event: AdviseEvent): HintOutcome {
    const pins = config.generation.pin !== 'unknown';
    if (event.advice === 'dontneed' && !event.unset) {
      for (const vma of core.vmasIn(event.firstPage, event.lastPage)) {
        if (vma.allocation.kind !== 'system') continue;
        linux.dontNeed(Math.max(vma.firstPage, event.firstPage), Math.min(vma.lastPage, event.lastPage));
      }
      return hint(0, event, 'free');
    }
    if (event.advice === 'pin' && pins && !event.unset) return hint(event.target, event, 'pin');
    if (event.advice === 'unpin' || (event.advice === 'pin' && event.unset)) {
      return pins ? hint(unpinNode(event), event, 'unpin') : 'ignored';
    }
    return 'ignored';
  }

  /** The hint names no node, the call needs one: where the page is, else the caller, else the first device. */
  function unpinNode(event: AdviseEvent): number {
    if (event.target > 0) return event.target;
    const m = gm.table.get(blockOf(event.firstPage));
    if (m && m.state === STATE.device) return m.device;
    return event.actor > 0 ? event.actor : (gm.attached[0] ?? 0);
  }

  function copy(event: CopyEvent): void {
    const dst = placeOf(event.firstPage, event.offsetBytes);
    const src = placeOf(event.sourceFirstPage, event.sourceOffsetBytes);
    const from = core.vmaAt(event.sourceFirstPage);
    const to = core.vmaAt(event.firstPage);
    if (from && to && isPeerShared(from) && isPeerShared(to)) {
      const code = run(() => hmemcpy(gm, event.actor, dst, src, event.sizeBytes));
      if (code !== 0) core.warn('hmemcpy refuses a range that is not in one peer-shared mapping');
      return;
    }
    core.transfer(placeIs(from, event.sourceFirstPage), placeIs(to, event.firstPage), event.sizeBytes);
  }

  /** Where explicit or ordinary memory stands for a plain DMA. */
  function placeIs(vma: Vma | null, page: number): number {
    if (vma?.allocation.kind === 'device') return vma.allocation.actor;
    return gm.table.get(blockOf(page))?.device ?? HOST;
  }

  return {
    prefetch: (event) => hint(event.target, event, 'prefetch'),
    advise,
    ...(config.generation.hmemcpy ? { copy } : {}),
  };
}

function placeOf(page: number, offsetBytes: number): Place {
  const block = blockOf(page);
  return { block, offsetBytes: (page - block * BLOCK_PAGES) * PAGE_BYTES + offsetBytes };
}
