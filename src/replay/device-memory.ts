/** Memory that the stack has taken on each device of one run, against what it may take. By actor index. */
export class DeviceMemory {
  readonly allocated: Float64Array;
  readonly peakAllocated: Float64Array;
  readonly effective: number[];

  constructor(capacityBytes: readonly number[]) {
    this.allocated = new Float64Array(capacityBytes.length);
    this.peakAllocated = new Float64Array(capacityBytes.length);
    this.effective = capacityBytes.map((bytes, actor) => (actor === 0 ? Number.POSITIVE_INFINITY : bytes));
  }

  reserve(device: number, bytes: number): boolean {
    if (this.allocated[device] + bytes > this.effective[device]) return false;
    this.allocated[device] += bytes;
    if (this.allocated[device] > this.peakAllocated[device]) this.peakAllocated[device] = this.allocated[device];
    return true;
  }

  release(device: number, bytes: number): void {
    this.allocated[device] -= bytes;
  }
}
