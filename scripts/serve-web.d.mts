export function serveWeb(options?: {
  port?: number;
  folder?: string;
}): Promise<{ url: string; close(): Promise<void> }>;
