// One chart that is never built anew: Plotly.react keeps zoom, pan and hover, because the figure's
// uirevision stays the same. What the page sends goes into `chart`, and `draw` shows it.

const CONFIG = {
  displaylogo: false,
  // Not "reset", which goes back to the hours that were drawn first.
  doubleClick: "autosize",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "resetScale2d", "sendChartToCloud"],
};
// In a narrow chart the buttons need the room above it.
const NARROW = 640;
const BELOW = { y: -0.14, yanchor: "top" };
// Up and down of the candles, so dark that white can be read on them.
const [RISEN, FALLEN, UNMOVED] = ["#1f6fd6", "#b45309", "#5b7083"];
const REPAINT_MS = 200;
const charts = new WeakMap();

export default function ({ data, parentElement }) {
  const box = parentElement.querySelector(".marketpulse-chart");
  const chart = charts.get(box) ?? begin(box, data.chart);
  if (chart.text !== data.figure) {
    chart.text = data.figure;
    chart.figure = JSON.parse(data.figure);
  }
  chart.library = data.library;
  chart.config = { ...CONFIG, displayModeBar: data.buttons ? "hover" : false };
  if (data.height) box.style.height = `${data.height}px`;
  chart.alt = data.alt;
  chart.theme = theme(box);
  draw(chart);
  // Streamlit also cleans up after a call that a newer one overtook, whose chart is this one.
  return () => box.isConnected || end(chart);
}

function begin(box, name) {
  const chart = { box, name, left: new AbortController() };
  const heard = { signal: chart.left.signal };
  const resized = new ResizeObserver(() => chart.drawn && globalThis.Plotly.Plots.resize(box));
  const hold = () => (chart.held = true);
  const release = () => {
    chart.held = false;
    if (chart.waiting) draw(chart);
  };
  // The page changes its colours soon after the visitor's system does.
  const repaint = () => {
    chart.theme = theme(box);
    draw(chart);
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => setTimeout(repaint, REPAINT_MS), heard);
  addEventListener("marketpulse-tick", (event) => event.detail === name && draw(chart), heard);
  // A drag would be cut short by drawing; Plotly lets the whole window follow one.
  box.addEventListener("pointerdown", hold, { ...heard, capture: true });
  addEventListener("pointerup", release, { ...heard, capture: true });
  addEventListener("pointercancel", release, { ...heard, capture: true });
  box.addEventListener("pointermove", (event) => (chart.pointer = event), heard);
  box.addEventListener("pointerleave", () => (chart.pointer = null), heard);
  resized.observe(box);
  heard.signal.addEventListener("abort", () => resized.disconnect());
  charts.set(box, chart);
  return chart;
}

function end(chart) {
  chart.left.abort();
  charts.delete(chart.box);
  if (chart.drawn) globalThis.Plotly.purge(chart.box);
}

// Show the newest figure and price, one drawing at a time: what comes meanwhile is drawn next.
async function draw(chart) {
  chart.waiting = true;
  if (chart.drawing || chart.held || !chart.figure) return;
  chart.drawing = true;
  try {
    const Plotly = await library(chart.library);
    while (chart.waiting && !chart.held && !chart.left.signal.aborted) {
      chart.waiting = false;
      const { data, layout } = shown(chart);
      await Plotly.react(chart.box, data, layout, chart.config);
      chart.drawn = true;
      describe(chart);
      hover(chart);
    }
  } catch (error) {
    console.warn("Market Pulse cannot draw its chart:", error);
    if (!chart.drawn) chart.box.textContent = "The chart could not be loaded. Reload the page.";
  } finally {
    chart.drawing = false;
  }
}

// The figure in the colours of the page, with the price line over it.
function shown({ box, figure, name, theme }) {
  const { data } = figure;
  // Plotly writes what the visitor does into the layout that it gets.
  const layout = structuredClone(figure.layout);
  const tick = globalThis.marketPulseTicks?.get(name);
  const line = tick ? priceLine(tick) : { shapes: [], annotations: [] };
  // Fingers scroll the page; they zoom by the buttons.
  const touch = matchMedia("(pointer: coarse)").matches ? { dragmode: false } : {};
  return {
    data,
    layout: {
      ...layout,
      ...touch,
      autosize: true,
      legend: { ...layout.legend, ...(box.clientWidth < NARROW ? BELOW : {}) },
      template: theme,
      shapes: [...(layout.shapes ?? []), ...line.shapes],
      annotations: [...(layout.annotations ?? []), ...line.annotations],
    },
  };
}

function priceLine({ price, text, direction }) {
  const color = direction > 0 ? RISEN : direction < 0 ? FALLEN : UNMOVED;
  const across = { type: "line", xref: "paper", x0: 0, x1: 1, y0: price, y1: price };
  const label = { xref: "paper", x: 1, xanchor: "left", y: price, text, showarrow: false };
  return {
    shapes: [{ ...across, name: "price", line: { color, width: 1, dash: "dot" } }],
    annotations: [{ ...label, bgcolor: color, borderpad: 3, font: { color: "#ffffff", size: 12 } }],
  };
}

// Streamlit's theme, as a Plotly template.
function theme(box) {
  const style = getComputedStyle(box);
  const value = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const text = value("text-color");
  const grid = value("border-color");
  const panel = value("secondary-background-color");
  const lines = { gridcolor: grid, linecolor: grid, zerolinecolor: grid, tickcolor: grid };
  const axis = { ...lines, automargin: true };
  const layout = {
    font: { color: text, family: value("font"), size: 12 },
    paper_bgcolor: "rgba(0, 0, 0, 0)",
    plot_bgcolor: "rgba(0, 0, 0, 0)",
    xaxis: axis,
    yaxis: { ...axis, ticksuffix: "\u00a0\u00a0" }, // room for the label of the price line
    hoverlabel: { bgcolor: panel, bordercolor: grid, font: { color: text } },
    modebar: { bgcolor: "rgba(0, 0, 0, 0)", color: value("gray-color"), activecolor: text },
  };
  return { layout };
}

// One picture with one text, for those who do not see it.
function describe({ box, alt }) {
  const pictures = box.querySelectorAll("svg.main-svg");
  pictures.forEach((each) => each.setAttribute("aria-hidden", "true"));
  pictures[0].removeAttribute("aria-hidden");
  pictures[0].setAttribute("role", "img");
  pictures[0].setAttribute("aria-label", alt);
}

// Plotly forgets what it was pointed at when it draws.
function hover({ box, pointer }) {
  if (!pointer) return;
  const { clientX, clientY } = pointer;
  const target = document.elementFromPoint(clientX, clientY);
  if (box.contains(target)) {
    target.dispatchEvent(new MouseEvent("mousemove", { clientX, clientY, bubbles: true }));
  }
}
