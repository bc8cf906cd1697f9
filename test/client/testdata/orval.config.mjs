export default {
  api: {
    input: { target: process.env.DOCUMENT },
    output: { target: "client.ts", client: "fetch", baseUrl: process.env.BASE_URL },
  },
};
