/**
 * Hints of a program as attributes of ranges. `preferred`, `accessed_by` and `read_mostly` are mapped as the HIP runtime maps
 * hipMemAdvise (ROCm/clr `rocdevice.cpp`, `SetSvmAttributesInt`); `attr:NAME=VALUE` is the driver's own interface.
 */

import { type HintOutcome, HOST } from '../../replay/model.ts';
import type { AdviseEvent } from '../../trace/compiled.ts';
import { type Attribute, type AttributeName, setAttributes } from './attributes.ts';
import { FLAG, type Svms, SYSMEM, UNDEFINED } from './types.ts';

/** Names of raw attributes, short or as in `KFD_IOCTL_SVM_ATTR_*`. */
const RAW: Readonly<Record<string, AttributeName>> = {
  preferred_loc: 'pref',
  prefetch_loc: 'prefetch',
  access_in_place: 'aip',
  no_access: 'noaccess',
  set_flags: 'set',
  clr_flags: 'clr',
  pref: 'pref',
  prefetch: 'prefetch',
  access: 'access',
  aip: 'aip',
  noaccess: 'noaccess',
  set: 'set',
  clr: 'clr',
  granularity: 'gran',
  gran: 'gran',
};

export function outcomeOf(result: number): HintOutcome {
  return result === 0 ? 'applied' : 'rejected';
}

export function advise(svms: Svms, event: AdviseEvent): HintOutcome {
  const attributes = event.advice === 'attr' ? rawAttribute(svms, event) : adviceAttributes(event);
  if (attributes === 'ignored' || attributes === 'rejected') return attributes;
  return outcomeOf(setAttributes(svms, event.firstPage, event.lastPage, attributes));
}

function adviceAttributes({ advice, unset, target }: AdviseEvent): readonly Attribute[] | 'ignored' {
  switch (advice) {
    case 'preferred':
      return [['pref', unset ? UNDEFINED : target]];
    case 'accessed_by':
      // For the CPU the runtime sets a flag that the driver does not act on. Taking the advice back grants plain access.
      if (target === HOST) return [[unset ? 'clr' : 'set', FLAG.hostAccess]];
      return [[unset ? 'access' : 'aip', target]];
    case 'read_mostly':
      return [[unset ? 'clr' : 'set', FLAG.gpuReadMostly]];
    default:
      return 'ignored';
  }
}

/** `attr:access=1` and `attr:access@gpu0` say the same: locations are numbers of GPUs from 1, 0 is RAM, -1 undefined. */
function rawAttribute(svms: Svms, event: AdviseEvent): readonly Attribute[] | 'ignored' | 'rejected' {
  const name = event.attribute === null ? undefined : RAW[event.attribute.toLowerCase()];
  if (name === undefined || event.unset) return 'ignored';
  // `NAME=VALUE@ACTOR`: the value counts.
  const value = event.value === null && event.target >= 0 ? event.target : locationOrNumber(svms, event.value);
  return value === null ? 'rejected' : [[name, value]];
}

function locationOrNumber(svms: Svms, text: string | null): number | null {
  if (text === null) return null;
  if (text === 'undefined') return UNDEFINED;
  if (text === 'sysmem') return SYSMEM;
  const actor = svms.core.actors.indexOf(text);
  if (actor >= 0) return actor;
  if (!/^(?:-?\d+|0x[0-9a-f]+)$/i.test(text)) return null;
  const value = Number(text);
  // The ioctl carries 32 bits without sign: -1 is LOCATION_UNDEFINED.
  return value === 0xffffffff ? UNDEFINED : value;
}
