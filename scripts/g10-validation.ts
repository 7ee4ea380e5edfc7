/**
 * Compares the UVM model with kernel times measured on an A100 under CUDA managed memory: the G10 artifact
 * (platformxlab/G10, Apache-2.0), converted to `g10_MODEL.csv.gz` (tensors a kernel touches) and
 * `g10_MODEL.kernel_times.tsv.gz` (resident, inputs faulting, everything faulting). The data is not part of this
 * repository: `npx tsx scripts/g10-validation.ts DIRECTORY [KERNELS]`. docs/validation.md says what came out.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import uvm from '../src/models/uvm/index.ts';
import a100 from '../src/platforms/machines/a100-pcie4.ts';
import type { Platform } from '../src/platforms/platform.ts';
import { replay } from '../src/replay/engine.ts';
import type { ParameterValue } from '../src/replay/model.ts';
import { compileTraceText } from '../src/trace/index.ts';

const LEAST_BYTES = 50e6;
const MOST_BYTES = 1.5e9;

interface Touch {
  readonly op: string;
  readonly address: number;
  readonly bytes: number;
}
interface Kernel {
  readonly id: number;
  readonly residentMs: number;
  readonly inputFaultMs: number;
  readonly allFaultMs: number;
  readonly touches: Touch[];
}

const text = (path: string) => gunzipSync(readFileSync(path)).toString('utf8').trim().split('\n');

function readKernels(directory: string, name: string): Kernel[] {
  const kernels = new Map<number, Kernel>();
  for (const line of text(join(directory, `${name}.kernel_times.tsv.gz`)).slice(1)) {
    const cells = line.split('\t');
    const [id, residentMs, inputFaultMs, allFaultMs] = [0, 4, 5, 6].map((i) => Number(cells[i]));
    kernels.set(id, { id, residentMs, inputFaultMs, allFaultMs, touches: [] });
  }
  let current: Kernel | undefined;
  for (const line of text(join(directory, `${name}.csv.gz`)).slice(1)) {
    const [, actor, op, addr, size] = line.split(',');
    if (op === 'launch') current = kernels.get(Number(size));
    else if (actor !== 'cpu' && (op === 'read' || op === 'write')) {
      current?.touches.push({ op, address: Number(addr), bytes: Number(size) });
    }
  }
  return [...kernels.values()];
}

/** Distinct tensors, rounded out to pages, merged where they meet. */
function tensors(touches: readonly Touch[]): { first: number; end: number }[] {
  const spans = touches
    .map(({ address, bytes }) => ({
      first: address - (address % 4096),
      end: Math.ceil((address + bytes) / 4096) * 4096,
    }))
    .sort((a, b) => a.first - b.first);
  const merged: { first: number; end: number }[] = [];
  for (const span of spans) {
    const last = merged.at(-1);
    if (last !== undefined && span.first < last.end) last.end = Math.max(last.end, span.end);
    else merged.push({ ...span });
  }
  return merged;
}

/** Stall of the kernel when everything it touches lies on the CPU, or only what it reads. */
async function stallMs(kernel: Kernel, everything: boolean, cpuScale: number): Promise<number> {
  const rows = ['time_ns,actor,op,addr,size,arg'];
  for (const [i, { first, end }] of tensors(kernel.touches).entries()) {
    rows.push(`0,cpu,alloc,${first},${end - first},t${i}`, `0,cpu,write,${first},${end - first},`);
  }
  if (!everything) {
    const inputs = new Set(kernel.touches.filter((t) => t.op === 'read').map((t) => t.address));
    for (const { op, address, bytes } of kernel.touches) {
      if (op === 'write' && !inputs.has(address)) rows.push(`0,gpu0,prefetch,${address},${bytes},gpu0`);
    }
  }
  const before = rows.length;
  rows.push('0,gpu0,launch,0,0,');
  for (const { op, address, bytes } of kernel.touches) rows.push(`0,gpu0,${op},${address},${bytes},`);
  rows.push('0,gpu0,sync,0,0,');
  const measure = async (lines: readonly string[]) => {
    const trace = await compileTraceText(`${lines.join('\n')}\n`);
    const values = Object.entries(uvm.parameters).map(([key, spec]) => [key, spec.default]);
    const parameters = { ...Object.fromEntries(values), cpuScale } as Record<string, ParameterValue>;
    const platform: Platform = a100;
    const host = { pageBytes: 4096, zeroPage: false };
    const preset = Object.keys(uvm.presets)[0];
    const spec = { model: uvm, preset, parameters, platform, capacityBytes: null, inFlight: platform.inFlight, host };
    const [result] = replay(trace, [spec]);
    return result.metrics['time.stall.device.ns']! / 1e6;
  };
  const set = everything ? 0 : await measure([...rows.slice(0, before), '0,gpu0,launch,0,0,', '0,gpu0,sync,0,0,']);
  return (await measure(rows)) - set;
}

function quartiles(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  return [0.25, 0.5, 0.75].map((q) => sorted[Math.floor(q * (sorted.length - 1))].toFixed(2)).join(' / ');
}

async function validate(directory: string, name: string, wanted: number, cpuScale: number): Promise<void> {
  const sizeOf = (kernel: Kernel) => tensors(kernel.touches).reduce((sum, { first, end }) => sum + end - first, 0);
  const large = readKernels(directory, name).filter((k) => sizeOf(k) > LEAST_BYTES && sizeOf(k) < MOST_BYTES);
  const step = Math.max(1, Math.floor(large.length / wanted));
  const chosen = large.filter((_, i) => i % step === 0);
  const rows: { measured: number; modelled: number; ratio: number }[] = [];
  const inputRatios: number[] = [];
  for (const kernel of chosen) {
    const bytes = sizeOf(kernel);
    const measuredMs = kernel.allFaultMs - kernel.residentMs;
    const modelledMs = await stallMs(kernel, true, cpuScale);
    rows.push({
      measured: bytes / measuredMs / 1e6,
      modelled: bytes / modelledMs / 1e6,
      ratio: modelledMs / measuredMs,
    });
    const inputMs = kernel.inputFaultMs - kernel.residentMs;
    if (inputMs > 0.1) inputRatios.push((await stallMs(kernel, false, cpuScale)) / inputMs);
  }
  console.log(
    `${name}, cpuScale ${cpuScale}: ${chosen.length} of ${large.length} kernels with 50 MB to 1.5 GB of tensors`,
  );
  console.log(`  everything faults, measured GB/s:  ${quartiles(rows.map((r) => r.measured))}`);
  console.log(`  everything faults, modelled GB/s:  ${quartiles(rows.map((r) => r.modelled))}`);
  console.log(`  modelled / measured fault time:    ${quartiles(rows.map((r) => r.ratio))}`);
  console.log(`  the same, inputs only:             ${quartiles(inputRatios)}`);
}

const [directory, kernels = '60'] = process.argv.slice(2);
if (directory === undefined) {
  console.error('usage: npx tsx scripts/g10-validation.ts DIRECTORY [KERNELS]');
  process.exit(2);
}
const names = readdirSync(directory).flatMap((file) => /^(g10_.*)\.kernel_times\.tsv\.gz$/.exec(file)?.[1] ?? []);
for (const name of names) for (const cpuScale of [1, 2.5]) await validate(directory, name, Number(kernels), cpuScale);
