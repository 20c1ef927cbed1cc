import { Column, CreateDateColumn, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/**
 * A message, as most applications store one: paged by its id, which the index serves in the order that is asked for;
 * numbered within its chat; sent once, if the client gives it an id. Pages tell neither the number nor that id.
 */
@Entity()
@Index(['chatId', 'id'])
@Index(['chatId', 'senderId', 'clientId'], { unique: true, where: '"clientId" IS NOT NULL' })
export class Message {
  @PrimaryGeneratedColumn({ type: 'bigint' })
  id!: string;

  @Column('uuid', { select: false })
  chatId!: string;

  @Column('bigint', { select: false })
  seq!: string;

  @Column('text')
  senderId!: string;

  @Column('text', { nullable: true, select: false })
  clientId!: string | null;

  @Column('text')
  text!: string;

  @CreateDateColumn({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}
