/** Which allocations each launch touches: up to the next record of the CPU, or launch on or sync of its device. */

interface OpenLaunch {
  readonly touched: Set<number>;
  last: number;
}

export class LaunchTracker {
  /** By `launch` event: allocations touched; lives while allocations are still to be inferred. */
  readonly touched = new Map<number, Set<number>>();
  /** By device: its open launch, as the number of its event; -1 without one. */
  readonly openEvent: Int32Array;
  readonly #open: (OpenLaunch | null)[] = [];
  /** Devices with a launch whose work goes on. */
  openCount = 0;

  constructor(openEvent: Int32Array) {
    this.openEvent = openEvent.fill(-1);
  }

  open(device: number, event: number): void {
    this.close(device);
    while (this.#open.length <= device) this.#open.push(null);
    const touched = new Set<number>();
    this.touched.set(event, touched);
    this.#open[device] = { touched, last: -1 };
    this.openEvent[device] = event;
    this.openCount++;
  }

  close(device: number): void {
    if (device >= this.#open.length || this.#open[device] === null) return;
    this.#open[device] = null;
    this.openEvent[device] = -1;
    this.openCount--;
  }

  closeAll(): void {
    if (this.openCount === 0) return;
    this.#open.fill(null);
    this.openEvent.fill(-1);
    this.openCount = 0;
  }

  touch(actor: number, allocation: number): void {
    if (this.openCount === 0 || actor >= this.#open.length) return;
    const launch = this.#open[actor];
    if (launch === null || launch.last === allocation) return;
    launch.last = allocation;
    launch.touched.add(allocation);
  }
}
