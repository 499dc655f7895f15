export default ({ data }) => {
  (globalThis.marketPulseTicks ??= new Map()).set(data.chart, data);
  dispatchEvent(new Event("marketpulse-tick"));
};
