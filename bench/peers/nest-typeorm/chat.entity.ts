import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A chat, as most applications store one. */
@Entity()
export class Chat {
  @PrimaryColumn('uuid')
  id!: string;

  @Column({ type: 'text', nullable: true })
  title!: string | null;

  /** Number of the last message. */
  @Column({ type: 'bigint', default: 0 })
  lastSeq!: string;

  @Column({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;

  @Column({ type: 'timestamptz', precision: 3 })
  lastMessageAt!: Date;
}
