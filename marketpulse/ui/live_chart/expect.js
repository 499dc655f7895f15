// Loads Plotly before there is anything to draw. What fails here is tried again by the first chart.

export default ({ data }) => {
  library(data.library).catch(() => {});
};
