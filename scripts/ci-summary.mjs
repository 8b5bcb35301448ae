// Adds up the summaries that check.mjs and determinism.mjs write: node scripts/ci-summary.mjs file.json…
import { readFileSync } from 'node:fs';

const results = process.argv.slice(2).flatMap((file) => JSON.parse(readFileSync(file, 'utf8')));
const sum = (field) => results.reduce((total, result) => total + result[field], 0);
for (const { stage, failed } of results) if (failed > 0) console.log(`failed: ${stage}`);
if (sum('skipped') > 0) console.log(`${sum('skipped')} skipped`);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exitCode = sum('failed') > 0 ? 1 : 0;
