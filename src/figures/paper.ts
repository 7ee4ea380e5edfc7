/** One canvas unit is one point, 1/72 inch. */
export const POINTS_PER = { mm: 72 / 25.4, cm: 720 / 25.4, in: 72, pt: 1 } as const;

export const IMAGE_FORMATS = ['png', 'svg', 'pdf'] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];
