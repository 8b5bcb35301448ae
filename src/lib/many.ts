/** `1 run`, `3 runs`: a count with the word for what is counted. */
export const many = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
