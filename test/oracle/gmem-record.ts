/** What the recording of the kernel code says: one sequence a line, one call a step (see `gmem-harness.ts`). */
export interface Step {
  readonly op: readonly (string | number)[];
  readonly r?: number;
  readonly hit?: number;
  readonly stuck?: number;
  readonly nvma?: number;
  readonly c?: readonly (readonly (string | number)[])[];
  readonly s?: Readonly<Record<string, string>>;
  readonly L0?: ListChange;
  readonly L1?: ListChange;
  readonly relru?: number;
  readonly crash?: string;
}
export type ListChange = readonly [number, readonly number[], readonly number[], number?, number?];

export interface Sequence {
  readonly id: string;
  readonly cat: string;
  readonly cfg: {
    readonly dev: number;
    readonly wq: 'fifo' | 'rr';
    readonly phys?: readonly number[];
    readonly attach?: number;
  };
  readonly steps: readonly Step[];
  readonly sum?: Readonly<Record<string, number | readonly number[]>>;
  readonly end?: Readonly<Record<'L0' | 'L1', readonly [number, readonly number[]]>>;
}
