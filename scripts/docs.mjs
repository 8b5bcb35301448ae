// Writes the generated documentation from the built program.
//   node scripts/docs.mjs [reference] [tutorial] [gallery]      (all by default)
// reference: docs/reference/*.md, from the command line, the scenario schema, the lists of columns and PMU events.
// tutorial:  the outputs in docs/TUTORIAL.md and docs/SWEEP.md, each by running the command above it.
// gallery:   docs/GALLERY.md and docs/gallery/*.svg, by running every ready-made scenario.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeGallery } from './docs/gallery.mjs';
import { referencePages } from './docs/reference.mjs';
import { refreshTutorial } from './docs/tutorial.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const PARTS = { reference, tutorial: refreshTutorial, gallery: writeGallery };
const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PARTS);
const unknown = wanted.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  console.error(`unknown part ${unknown.join(', ')}; there are: ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}
for (const name of wanted) await PARTS[name](root);

async function reference(root) {
  for (const [path, text] of Object.entries(await referencePages())) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}
