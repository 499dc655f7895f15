// Plotly, loaded once for all charts and pages.
function library(name) {
  globalThis.marketPulsePlotly ??= load(name).catch((error) => {
    globalThis.marketPulsePlotly = undefined;
    throw error;
  });
  return globalThis.marketPulsePlotly;
}

async function load(name) {
  const reply = await fetch(new URL(`app/static/${name}`, document.baseURI));
  if (!reply.ok) throw new Error(`${name}: status ${reply.status}`);
  const unpacked = reply.body.pipeThrough(new DecompressionStream("gzip"));
  const source = await new Response(unpacked).arrayBuffer();
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const script = document.createElement("script");
  script.src = address;
  try {
    await new Promise((loaded, failed) => {
      script.onload = loaded;
      script.onerror = () => failed(new Error(`${name} does not run`));
      document.head.append(script);
    });
  } finally {
    URL.revokeObjectURL(address);
  }
  return globalThis.Plotly;
}
