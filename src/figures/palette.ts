/**
 * Colours that people with any colour vision tell apart: Okabe and Ito, "Color Universal Design" (2008), in an order of
 * alternating lightness. Shape does the same in grey: hatching for bars, dashes and point shapes for lines.
 */

export const COLORS = [
  '#0072B2', // blue
  '#E69F00', // orange
  '#009E73', // bluish green
  '#CC79A7', // reddish purple
  '#56B4E9', // sky blue
  '#D55E00', // vermillion
  '#F0E442', // yellow
  '#7F7F7F', // grey: black of the original is the colour of text
] as const;

export type Hatch = 'none' | 'rising' | 'falling' | 'vertical' | 'crossed' | 'horizontal' | 'dots' | 'grid';
export const HATCHES: readonly Hatch[] = [
  'none',
  'rising',
  'dots',
  'falling',
  'vertical',
  'crossed',
  'horizontal',
  'grid',
];

export const DASHES: readonly (readonly number[])[] = [[], [5, 2], [1.5, 1.5], [6, 2, 1.5, 2], [9, 2], [2, 3]];
export const POINTS = ['circle', 'rect', 'triangle', 'rectRot', 'crossRot', 'star', 'cross', 'rectRounded'] as const;

/** Shades of a heatmap, from few to many, even in lightness: they stay in order in grey. */
export const SHADES = ['#C6DCEF', '#9CC5E2', '#69ADD5', '#3585BE', '#10589F', '#08306B'] as const;

export const pick = <T>(list: readonly T[], i: number): T => list[i % list.length];
