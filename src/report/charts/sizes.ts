/** Widths that charts are laid out for, in pixels. */

/** On paper and screens. */
export const WIDE = 720;
/** On phones: 360 pixels less the page's margins. */
export const SLIM = 330;
/** Below this width a chart stacks what stands side by side. */
export const NARROW = 480;
