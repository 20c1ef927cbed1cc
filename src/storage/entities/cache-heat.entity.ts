import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A row of `cache_heat`: a chat that was hot when an instance last saved its cache state. */
@Entity('cache_heat')
export class CacheHeatEntity {
  @PrimaryColumn('uuid', { name: 'chat_id' })
  chatId!: string;

  /** 0 is the hottest. */
  @Column('integer')
  rank!: number;

  @Column('bigint')
  version!: string;

  @Column({ type: 'timestamptz', name: 'saved_at', precision: 3 })
  savedAt!: Date;
}
