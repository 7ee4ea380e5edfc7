/** The parts of a run's time, as reports and figures name and order them. */
export const TIME_PARTS = [
  { name: 'ideal', metric: 'time.ideal.ns' },
  { name: 'fault service', metric: 'time.by.faultService.ns' },
  { name: 'transfer', metric: 'time.by.transfer.ns' },
  { name: 'mapping', metric: 'time.by.mapping.ns' },
  { name: 'remote', metric: 'time.by.remote.ns' },
  { name: 'eviction', metric: 'time.by.eviction.ns' },
  { name: 'waiting', metric: 'time.by.wait.ns' },
] as const;
