export default ({ data }) => {
  (globalThis.marketPulseTicks ??= new Map()).set(data.chart, data);
  dispatchEvent(new CustomEvent("marketpulse-tick", { detail: data.chart }));
};
