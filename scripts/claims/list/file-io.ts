import { type Claim, outcomeOf, type Verdict } from '../claim.ts';
import { bytes, list, metric, number, runTable, STACKS } from '../numbers.ts';

const TOUCHES = 4;
const TOUCHED = TOUCHES * 4096;

interface Stack {
  readonly name: string;
  readonly homeBytes: number;
  readonly backBytes: number;
}

export const fileIo: Claim<readonly Stack[]> = {
  id: 'H5',
  title: 'File I/O needs device pages back in system memory',
  claim:
    'Reading a file into memory, or writing it out, needs the pages in system memory: what a device holds has to come back first.',
  source: 'C. König, 29 November 2023, Message-ID 8b3673c7-d0b9-4509-938f-eb8d4f158367, second point.',
  test: 'A device writes 8 MiB, the kernel does direct I/O on one 4 KiB page of each 2 MiB, the device reads everything again. Confirmed if every stack brings home more than the pages of the I/O, refuted if none does.',
  experiments: [{ key: 'io', trace: 'file-io' }],
  measure: (runs) =>
    STACKS.map((name) => ({
      name,
      homeBytes: number(runs.get('io', name), 'migration.d2h.bytes'),
      backBytes: number(runs.get('io', name), 'migration.h2d.bytes'),
    })),
  judge(stacks): Verdict {
    const each = stacks.map(
      (s) => `${s.name} ${bytes(s.homeBytes / TOUCHES)} home and ${bytes(s.backBytes / TOUCHES)} back`,
    );
    return {
      outcome: outcomeOf(stacks.map((s) => s.homeBytes > TOUCHED)),
      sentence: `For each 4 KiB page of I/O: ${list(each)}.`,
    };
  },
  tables: (runs) => [
    runTable(
      runs,
      'Direct I/O on 4 pages of 8 MiB',
      'trace',
      STACKS.map((stack) => ['file-io', 'io', stack] as const),
      {
        'home (d2h)': metric('migration.d2h.bytes', bytes),
        'back (h2d)': metric('migration.h2d.bytes', bytes),
        'device faults': metric('faults.device'),
        'device unmaps': metric('unmap.device.operations'),
      },
    ),
  ],
  changes: 'I/O straight to device memory (peer-to-peer DMA), or a CPU that reaches device memory coherently.',
  limits:
    'That pages come home for I/O is the meaning of this event in the trace format, after what the kernel does; the models only tell how much. GMEM has no code for the event: coming home whole follows its CPU fault.',
};
