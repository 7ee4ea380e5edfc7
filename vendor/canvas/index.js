/**
 * node-canvas as chartjs-node-canvas uses it, on @napi-rs/canvas (its binary comes inside the package; node-canvas
 * itself needs cairo headers or a download). PNG goes through the compatibility module of @napi-rs/canvas; SVG and PDF
 * stay vector.
 */
const skia = require('@napi-rs/canvas');
const compatible = require('@napi-rs/canvas/node-canvas');

function svgCanvas(width, height) {
  const canvas = skia.createCanvas(width, height, skia.SvgExportFlag.ConvertTextToPaths);
  canvas.toBuffer = () => canvas.getContent();
  return canvas;
}

function pdfCanvas(width, height) {
  const document = new skia.PDFDocument();
  const context = document.beginPage(width, height);
  const canvas = {
    width,
    height,
    style: {},
    getContext: () => context,
    toBuffer() {
      document.endPage();
      return document.close();
    },
  };
  // Chart.js reads the canvas back from its context.
  Object.defineProperty(context, 'canvas', { value: canvas });
  return canvas;
}

function createCanvas(width, height, type) {
  if (type === 'svg') return svgCanvas(width, height);
  if (type === 'pdf') return pdfCanvas(width, height);
  return compatible.createCanvas(width, height);
}

module.exports = { ...compatible, createCanvas };
