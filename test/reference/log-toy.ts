/** A made-up driver that costs nothing, grants everything for reading, and writes down when it was called. */
import { BLOCK_PAGES } from '../../src/replay/mask.ts';
import { type Core, HOST, type ModelDefinition, type ModelHooks, RIGHTS } from '../../src/replay/model.ts';
import { blockOf, pageMask, toyModel } from '../helpers/toys.ts';

/** First page of 0x200000, where the tests have their memory. */
export const P0 = BLOCK_PAGES;

export interface LogToy {
  readonly model: ModelDefinition;
  /** `TIME WHO PAGES`, pages counted from P0; cleared at every `create`, so it is that of the last engine that ran. */
  readonly log: string[];
}

/** `more` adds hooks or replaces them; it gets the hooks that it can call instead. */
export function logToy(more: (core: Core, usual: ModelHooks, log: string[]) => ModelHooks = () => ({})): LogToy {
  const log: string[] = [];
  const model = toyModel('log', (core) => {
    log.length = 0;
    const usual: ModelHooks = {
      deviceFaults(device, faults) {
        const pages = Array.from(faults.page.subarray(0, faults.count), (page) => page - P0);
        log.push(`${core.now()} ${core.actors[device]} ${pages.join(',')}`);
        for (let i = 0; i < faults.count; i++) {
          core.map(device, blockOf(faults.page[i]), pageMask([faults.page[i]]), RIGHTS.read, 1);
          faults.serve(i);
        }
      },
      hostFault(page) {
        log.push(`${core.now()} cpu ${page - P0}`);
        core.map(HOST, blockOf(page), pageMask([page]), RIGHTS.read, 1);
        return 'retry';
      },
    };
    return { ...usual, ...more(core, usual, log) };
  });
  return { model, log };
}
