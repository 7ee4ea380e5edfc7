/** All claims, in the order of the page. */
import { type AnyClaim, anyClaim } from './claim.ts';
import { anonymousMemory } from './list/anonymous-memory.ts';
import { coherentBus } from './list/coherent-bus.ts';
import { coupling } from './list/coupling.ts';
import { fileIo } from './list/file-io.ts';
import { firstWrite } from './list/first-write.ts';
import { hugePages } from './list/huge-pages.ts';
import { notifiers } from './list/notifiers.ts';
import { oversubscription } from './list/oversubscription.ts';
import { prefetchBandwidth } from './list/prefetch-bandwidth.ts';
import { stickyHints } from './list/sticky-hints.ts';

export const CLAIMS: readonly AnyClaim[] = [
  anyClaim(firstWrite),
  anyClaim(hugePages),
  anyClaim(fileIo),
  anyClaim(notifiers),
  anyClaim(stickyHints),
  anyClaim(anonymousMemory),
  anyClaim(oversubscription),
  anyClaim(prefetchBandwidth),
  anyClaim(coupling),
  anyClaim(coherentBus),
];
