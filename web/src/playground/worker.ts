import { expose } from 'comlink';
import { AdapterError, Device } from '../../../src/index.ts';
import { Player, type Update } from './player.ts';
import type { Settings } from './settings.ts';

/** What the page calls in the worker, through comlink. */
export class PlaygroundApi {
  private player: Player | null = null;
  private adapter = '';

  /**
   * To be called first, once.
   * @param report called with each update, and awaited before the next frame
   * @returns the adapter's name, or why there is none
   */
  async start(
    settings: Settings,
    report: (update: Update) => Promise<void>,
  ): Promise<{ adapter: string; missing: string }> {
    try {
      this.player = await Player.start(() => this.open(), settings, report);
      return { adapter: this.adapter, missing: '' };
    } catch (error) {
      if (navigator.gpu && !(error instanceof AdapterError)) throw error;
      return { adapter: '', missing: (error as Error).message };
    }
  }

  private async open(): Promise<Device> {
    const device = await Device.open(navigator.gpu);
    this.adapter = device.info.name;
    return device;
  }

  play(): void {
    this.player?.play();
  }

  async pause(): Promise<void> {
    await this.player?.pause();
  }

  async advance(by: number | 'epoch'): Promise<void> {
    await this.player?.advance(by);
  }

  async configure(settings: Settings): Promise<void> {
    await this.player?.configure(settings);
  }

  async restart(): Promise<void> {
    await this.player?.restart();
  }
}

expose(new PlaygroundApi());
