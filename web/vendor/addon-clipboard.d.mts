export * from "@xterm/addon-clipboard";
