/** What the model is told of records that are no accesses, and what happens where it has no hook for one. */
import type { TraceEvent } from '../trace/compiled.ts';
import type { Machine } from './machine.ts';
import { BLOCK_PAGES, newMask, setRange } from './mask.ts';
import { M, type Trigger } from './metrics.ts';
import type { HintOutcome, ModelHooks, Vma } from './model.ts';

const TRIGGERS: Partial<Record<TraceEvent['op'], Trigger>> = {
  prefetch: 'hint',
  advise: 'hint',
  copy: 'copy',
  launch: 'launch',
};

/** What bytes are booked under that move in the hook of such a record; null = the model says. */
export function triggerOf(op: TraceEvent['op']): Trigger | null {
  return TRIGGERS[op] ?? null;
}

export class RecordHooks {
  constructor(
    private readonly machine: Machine,
    private readonly hooks: ModelHooks,
    /** Its name. */
    private readonly model: string,
  ) {}

  /** Calls the hook of the record, or does what no hook means. */
  call(event: TraceEvent, vmas: readonly Vma[]): void {
    const { hooks } = this;
    switch (event.op) {
      case 'alloc':
        hooks.alloc?.(vmas[0], event);
        break;
      case 'free':
        hooks.free?.(vmas, event);
        break;
      case 'prefetch':
        this.bookHint(event, hooks.prefetch?.(event) ?? 'ignored', 'prefetch');
        break;
      case 'advise': {
        const name = event.advice === 'attr' ? `attr:${event.attribute}` : event.advice;
        this.bookHint(event, hooks.advise?.(event) ?? 'ignored', name);
        break;
      }
      case 'copy':
        hooks.copy?.(event);
        break;
      case 'launch':
        hooks.launch?.(event);
        break;
      case 'sync':
        hooks.sync?.(event.actor);
        break;
      case 'invalidate':
        if (hooks.invalidate) hooks.invalidate(event);
        else this.dropDeviceMappings(event.firstPage, event.lastPage);
    }
  }

  private bookHint(event: TraceEvent, outcome: HintOutcome, name: string): void {
    const { machine } = this;
    machine.drain();
    machine.books[M[`hints.${outcome}`]]++;
    if (outcome === 'ignored') machine.warn(`hint ${name} is unknown to ${this.model}: ignored`);
    if (outcome === 'rejected') machine.warn(`hint ${name} was refused by ${this.model}`);
    const { firstPage, sizeBytes, offsetBytes } = event;
    machine.events.emit('hint', event.actor, firstPage, sizeBytes, machine.clockNs, 0, { offsetBytes });
  }

  private dropDeviceMappings(firstPage: number, lastPage: number): void {
    const { machine } = this;
    const mask = newMask();
    for (const slot of machine.space.slotsIn(firstPage, lastPage)) {
      const block = machine.space.slotBlock[slot];
      const start = block * BLOCK_PAGES;
      setRange(mask, Math.max(firstPage - start, 0), Math.min(lastPage - start, BLOCK_PAGES - 1));
      for (let d = 1; d < machine.actors.length; d++) machine.unmap(d, block, mask);
    }
  }
}
