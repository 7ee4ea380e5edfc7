/** Writes down every driver call of the model in the notation of the recording, and makes chosen ones fail. */
import type { GmDriver, Place } from '../../src/models/gmem/driver.ts';
import type { GmMapping } from '../../src/models/gmem/mapping.ts';

/** After `skip` calls the next `n` fail with `code`. */
export interface FailurePlan {
  skip: number;
  n: number;
  readonly code: number;
}

export class CallRecorder {
  calls: (string | number)[][] = [];
  readonly totals: Record<string, number> = {};
  readonly failing = new Map<string, FailurePlan>();
  private readonly handedOver: number[] = [];

  constructor(
    private readonly baseBlock: number,
    /** Device pages that the driver can supply, by device; 0 or missing = no limit. */
    private readonly phys: readonly number[],
  ) {}

  /** True when this call of `what` is to fail. */
  private fails(what: string): boolean {
    const plan = this.failing.get(what);
    if (!plan) return false;
    if (plan.skip > 0) {
      plan.skip--;
      return false;
    }
    if (plan.n === 0) return false;
    plan.n--;
    return true;
  }

  count(name: string, n = 1): void {
    this.totals[name] = (this.totals[name] ?? 0) + n;
  }

  /** The same driver, watched. */
  wrap(real: GmDriver): GmDriver {
    const page = (m: GmMapping) => m.block - this.baseBlock;
    const write = (...call: (string | number)[]) => this.calls.push(call);
    return {
      ...real,
      peerVaAllocFixed: (device, block, sizeBytes) => {
        const code = this.fails('va') ? this.failing.get('va')!.code : real.peerVaAllocFixed(device, block, sizeBytes);
        write('A', device - 1, block - this.baseBlock, sizeBytes, code);
        this.count('vaAlloc');
        return code;
      },
      peerVaFree: (device, block, sizeBytes) => {
        write('F', device - 1, block - this.baseBlock, sizeBytes);
        this.count('vaFree');
        real.peerVaFree(device, block, sizeBytes);
      },
      peerMap: (device, m, copy, devicePage, trigger) => {
        const call = ['M', device - 1, page(m), copy ? 1 : 0, devicePage];
        if (this.fails('map')) {
          const { code } = this.failing.get('map')!;
          write(...call, code);
          return code;
        }
        write(...call);
        this.count(copy ? 'map1' : 'map0');
        return real.peerMap(device, m, copy, devicePage, trigger);
      },
      peerUnmap: (m, reason, copy, devicePage, trigger, invalidate) => {
        const call = [reason === 'evict' ? 'E' : 'U', m.device - 1, page(m), copy ? 1 : 0, devicePage];
        if (this.fails('unmap')) {
          const { code } = this.failing.get('unmap')!;
          write(...call, code);
          return code;
        }
        write(...call);
        this.count(reason === 'evict' ? 'evict' : copy ? 'unmap1' : 'unmap0');
        return real.peerUnmap(m, reason, copy, devicePage, trigger, invalidate);
      },
      importPhysMem: (device, pages) => {
        const limit = this.phys[device - 1] ?? 0;
        const refused = this.fails('import') || (limit > 0 && (this.handedOver[device] ?? 0) + pages > limit);
        write('I', device - 1, pages, refused ? 0 : 1);
        if (refused) return null;
        this.handedOver[device] = (this.handedOver[device] ?? 0) + pages;
        this.count('imports');
        return real.importPhysMem(device, pages);
      },
      peerHmemcpy: (direction, dst, src, sizeBytes, device) => {
        const at = (place: Place) => [place.block - this.baseBlock, place.offsetBytes];
        write('Y', direction, ...at(dst), ...at(src), sizeBytes, device - 1);
        real.peerHmemcpy(direction, dst, src, sizeBytes, device);
      },
      zap: (m) => {
        const had = real.zap(m);
        write('Z', page(m), had ? 1 : 0);
        this.count('zap');
        return had;
      },
      allocHostPage: (m) => {
        if (this.fails('halloc')) {
          write('H', page(m), 'fail');
          return false;
        }
        write('H', page(m));
        this.count('halloc');
        return real.allocHostPage(m);
      },
      zeroHostPage: (m, firstTouch) => {
        write('0', page(m));
        this.count('zero');
        real.zeroHostPage(m, firstTouch);
      },
      dmaMap: (m) => {
        if (this.fails('dma')) return false;
        this.count('dmaMaps');
        this.count('dmaLive');
        return real.dmaMap(m);
      },
      dmaUnmap: (m) => {
        this.count('dmaLive', -1);
        real.dmaUnmap(m);
      },
      evictionRound: (device) => {
        write('S');
        this.count('rounds');
        real.evictionRound(device);
      },
      queueWork: (block, pages) => {
        write('W', block - this.baseBlock, pages);
        real.queueWork(block, pages);
      },
    };
  }
}
