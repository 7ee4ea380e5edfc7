/** Machines for tests. */

import { unitPlatform } from '../../helpers/platforms.ts';

/** Nothing takes time; all GPUs form one hive. */
export const fastPeers = { ...unitPlatform, topology: { ...unitPlatform.topology, peer: 'fast' as const } };
