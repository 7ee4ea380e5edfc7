/** Memory that the range machinery has no part in: hipMalloc (kind `device`) and hipHostMalloc (kind `pinned`). */

import { copyMask, countPages, newMask, PAGE_BYTES } from '../../replay/mask.ts';
import { HOST, RIGHTS, type Vma } from '../../replay/model.ts';
import { admits, takeVram } from './buffers.ts';
import { forEachBlock } from './residency.ts';
import type { Svms } from './types.ts';

/** Where such an allocation lives; device memory asked for by the CPU is pinned host memory. */
function home(vma: Vma): number {
  return vma.allocation.kind === 'device' ? vma.allocation.actor : HOST;
}

export function isExplicit(vma: Vma): boolean {
  return vma.allocation.kind === 'device' || vma.allocation.kind === 'pinned';
}

/**
 * `amdgpu_amdkfd_gpuvm_alloc_memory_of_gpu`: admitted against other explicit memory, then it may push out SVM buffers. Mapped
 * at once on every GPU that can reach it.
 */
export function allocExplicit(svms: Svms, vma: Vma): void {
  const { core } = svms;
  const at = home(vma);
  const pages = vma.lastPage - vma.firstPage + 1;
  const backed = at === HOST || (admits(svms, at, pages) && takeVram(svms, at, pages));
  svms.gpuMappings.add({ first: vma.firstPage, last: vma.lastPage, backed });
  if (!backed) {
    core.warn(`no memory left on ${core.actors[at]} for an explicit allocation: accesses to it fail`);
    return;
  }
  if (at !== HOST) {
    svms.explicitPages[at] += pages;
    core.spend((pages * PAGE_BYTES) / core.platform.device.zeroBytesPerNs, 'transfer');
  }
  const users = at === HOST || core.platform.topology.peer !== 'none' ? svms.gpus : [at];
  const mask = newMask();
  forEachBlock(vma.firstPage, vma.lastPage, (block, part) => {
    copyMask(mask, part);
    core.populate(block, mask, at, at === HOST ? undefined : { timing: 'none' });
    if (at === HOST) core.map(HOST, block, mask, RIGHTS.atomic, 0);
    const n = countPages(mask);
    for (const gpu of users) core.map(gpu, block, mask, RIGHTS.atomic, at !== HOST && n === 512 ? 1 : n);
  });
}

export function freeExplicit(svms: Svms, piece: Vma): void {
  const { core } = svms;
  const { firstPage, lastPage } = piece;
  const taken = svms.gpuMappings.at(firstPage);
  if (taken === null) return;
  svms.gpuMappings.remove(taken);
  if (taken.first < firstPage) svms.gpuMappings.add({ ...taken, last: firstPage - 1 });
  if (taken.last > lastPage) svms.gpuMappings.add({ ...taken, first: lastPage + 1 });
  if (!taken.backed) return;
  forEachBlock(firstPage, lastPage, (block, mask) => {
    for (const actor of core.actors.keys()) core.unmap(actor, block, mask);
    core.discard(block, mask);
  });
  const at = home(piece);
  if (at !== HOST) {
    const pages = lastPage - firstPage + 1;
    svms.explicitPages[at] -= pages;
    core.release(at, pages * PAGE_BYTES);
  }
}
