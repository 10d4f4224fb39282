// libvips by sharp for Node.js: shrink the image while it is decoded, and make each width from the next larger one.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, path, rounds] = process.argv.slice(2);
const sharp = createRequire(`${folder}/`)("sharp");
sharp.concurrency(1);
sharp.cache(false);

const WIDTHS = [1920, 1280, 640, 320];

async function make() {
  const contents = [];
  let raw = null;
  for (const width of WIDTHS) {
    const source = raw ? sharp(raw.data, { raw: raw.info }) : sharp(path).autoOrient();
    const small = await source.resize({ width, withoutEnlargement: true }).toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
    if (raw && small.info.width === raw.info.width) continue; // the photograph is narrower than this width
    raw = small;
    contents.push(await sharp(raw.data, { raw: raw.info }).webp({ quality: 80, effort: 2 }).toBuffer());
  }
  return contents;
}

const milliseconds = [];
let bytes = 0;
for (let round = 0; round < Number(rounds); round++) {
  const began = performance.now();
  const contents = await make();
  milliseconds.push(performance.now() - began);
  bytes = contents.reduce((sum, content) => sum + content.length, 0);
}
const peak = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1];
console.log(JSON.stringify({ milliseconds, bytes, peak_kb: Number(peak) }));
